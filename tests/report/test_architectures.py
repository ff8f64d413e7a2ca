from pathlib import Path

import pytest

from ganlab.report.architectures import NATURAL, PAGE, describe

ARCHITECTURES = Path(__file__).parents[2] / "conf" / "architecture"
MEND = "run python -m ganlab.report.architectures"


@pytest.mark.parametrize(
    "natural", [("dcgan_tutorial", 64, 3), ("mlp_conditional", 28, 1), ("resnet_conditional", 32, 3)]
)
def test_the_page_is_current(natural: tuple[str, int, int]) -> None:
    line, section = describe(*natural)
    page = PAGE.read_text()
    assert line in page and section in page, MEND


def test_every_architecture_is_on_the_page() -> None:
    assert {path.stem for path in ARCHITECTURES.glob("*.yaml")} == {name for name, _, _ in NATURAL}
    headings = [line.split()[1].rstrip(",") for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert headings == [name for name, _, _ in NATURAL], MEND


def test_operations_are_twice_the_multiplications() -> None:
    _, section = describe("dcgan_svhn", 32, 3)
    assert "| linear, batch norm, ReLU | 4096 | 417,792 | 0.819 M |" in section  # 2 * 100 * 4096
    assert "| convolution 5x5/2, leaky ReLU | 64x16x16 | 4,800 | 2.46 M |" in section  # 2 * 75 * 64 * 16 * 16
