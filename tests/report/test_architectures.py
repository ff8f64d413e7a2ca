import shutil
from pathlib import Path

import pytest

from ganlab.report import architectures
from ganlab.report.architectures import CONF, PAGE, describe, entries

RUN = "run python -m ganlab.report.architectures"
ENTRIES = {entry.name: entry for entry in entries()}


@pytest.mark.parametrize("name", ["dcgan_tutorial", "mlp_conditional", "resnet_conditional", "pix2pix"])
def test_the_page_is_current(name: str) -> None:
    line, section = describe(ENTRIES[name])
    page = PAGE.read_text()
    assert line in page and section in page, RUN


def test_the_page_has_every_pair_in_order() -> None:
    assert ENTRIES.keys() == {path.stem for path in CONF.glob("architecture/*.yaml")}
    headings = [line.split()[1].rstrip(",") for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert headings == [entry.name for entry in entries()], RUN
    assert headings.count("resnet") == 4  # one of each image size


def test_operations_are_twice_the_multiplications() -> None:
    _, section = describe(ENTRIES["dcgan_svhn"])
    assert "| linear, batch norm, ReLU | 4096 | 417,792 | 0.819 M |" in section  # 2 * 100 * 4096
    assert "| convolution 5x5/2, leaky ReLU | 64x16x16 | 4,800 | 2.46 M |" in section  # 2 * 75 * 64 * 16 * 16


def test_a_network_of_ones_own_appears_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    mine = conf / "architecture" / "discriminator" / "mine.yaml"
    mine.write_text("_target_: ganlab.networks.sndcgan.Discriminator\nchannels: ${data.channels}\n")
    monkeypatch.setattr(architectures, "CONF", conf)
    (added,) = [entry for entry in entries() if entry.name not in ENTRIES]
    line, section = describe(added)
    assert line == "| discriminator=mine | 32x32x1 |  |  | 2,934,721 | 215 M |"
    assert section.startswith("## discriminator=mine, 32x32x1\n\nDiscriminator: 2,934,721 parameters")
    assert "| convolution 3x3/1 with spectral norm, leaky ReLU | 64x32x32 | 640 | 1.18 M |" in section
