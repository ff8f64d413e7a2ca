import errno
import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganlab.data.fetching import archives
from ganlab.data.fetching.archives import gunzip, unpack
from ganlab.errors import UserError

NOISE = np.random.default_rng(0).bytes(20_000)


def tar(path: Path, members: dict[str, bytes], mode: str = "w:gz", **changes: object) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in changes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return path


def zipped(path: Path, members: dict[str, bytes], kind: int = stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (kind | 0o644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return path


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz"])
def test_tar_files_are_unpacked(tmp_path: Path, mode):
    unpack(tar(tmp_path / "set.tar", {"set/a": b"A", "set/deep/b": NOISE}, mode), tmp_path / "out")
    assert held(tmp_path / "out") == {"set/a": b"A", "set/deep/b": NOISE}


def test_zip_files_are_unpacked(tmp_path: Path):
    unpack(zipped(tmp_path / "set.zip", {"set/a": b"A", "set/deep/b": NOISE}), tmp_path / "out")
    assert held(tmp_path / "out") == {"set/a": b"A", "set/deep/b": NOISE}


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "{outside}/evil", "..\\evil", "C:\\evil", "\\\\host\\evil"]
)
@pytest.mark.parametrize("make", [tar, zipped])
def test_nothing_leaves_the_folder(tmp_path: Path, make, name):
    archive = make(tmp_path / "set", {"fine": b"", name.format(outside=tmp_path): b"evil"})
    with pytest.raises(UserError, match="set is refused .*evil leads out of its folder.*place you trust"):
        unpack(archive, tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.rglob("*")] in (["set", "in"], ["in", "set"])


@pytest.mark.parametrize("target", ["../../secret", "fine", "."])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"?"])
def test_links_and_devices_are_refused(tmp_path: Path, kind, target):
    archive = tar(tmp_path / "set.tar", {"fine": b"", "link": b""}, linkname=target, type=kind)
    with pytest.raises(UserError, match="set.tar is refused .fine is a link or a device"):
        unpack(archive, tmp_path / "out")
    with pytest.raises(UserError, match="set.zip is refused .link is a link or a device"):
        unpack(zipped(tmp_path / "set.zip", {"link": target.encode()}, stat.S_IFLNK), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["n" * 256, "a/" + "é" * 128 + "/b", "/".join(["deep"] * 300)], ids=len)
@pytest.mark.parametrize("make", [tar, zipped])
def test_names_beyond_the_limits_of_file_systems_are_refused(tmp_path: Path, make, name):
    with pytest.raises(UserError, match="set is refused .the name .* is longer than file systems allow"):
        unpack(make(tmp_path / "set", {name: b""}), tmp_path / "out")


def test_names_with_a_nul_are_refused(tmp_path: Path):
    packed = tar(tmp_path / "set.tar", {"x": b""}, "w:", pax_headers={"path": "fine.png\0evil"})
    zipped(tmp_path / "set.zip", {"fine.png#evil": b""})
    archive = tmp_path / "nul.zip"
    archive.write_bytes((tmp_path / "set.zip").read_bytes().replace(b"#", b"\0"))
    for path in (packed, archive):
        with pytest.raises(UserError, match=r"is refused .fine.png\\x00evil leads out"):
            unpack(path, tmp_path / "out")


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_name_that_is_a_file_and_a_folder_is_damage(tmp_path: Path, make):
    with pytest.raises(UserError, match="set is damaged"):
        unpack(make(tmp_path / "set", {"a": b"A", "a/b": b"B"}), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_headers_that_fill_the_memory_are_refused(tmp_path: Path):
    for number, changes in enumerate([{"pax_headers": {"comment": "c" * 2_000_000}}, {"type": tarfile.GNUTYPE_SPARSE}]):
        archive = tar(tmp_path / f"{number}.tar", {"a": b""}, **changes)
        with pytest.raises(UserError, match="is refused .*header that no published set needs"):
            unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("make", [tar, zipped])
def test_bombs_are_refused(tmp_path: Path, make, monkeypatch):
    monkeypatch.setattr(archives, "LEAST_ALLOWED", 10_000)
    bomb = make(tmp_path / "set", {"a": bytes(3_000_000)})
    with pytest.raises(UserError, match="set is refused .it would grow to more than 0.0 GB"):
        unpack(bomb, tmp_path / "out")
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    with pytest.raises(UserError, match="set is refused .it holds more than 3 files"):
        unpack(make(tmp_path / "set", {name: b"" for name in "abcd"}), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_damage_is_told(tmp_path: Path, make, damage):
    archive = make(tmp_path / "set", {"a": NOISE, "b": NOISE})
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 255
    archive.write_bytes({"cut": data[: len(data) // 2], "flipped": data, "empty": b"", "text": b"<html>"}[damage])
    with pytest.raises(UserError, match=r"set is damaged \(.+\): delete it and repeat") as told:
        unpack(archive, tmp_path / "out")
    assert "\n" not in str(told.value) and [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_locked_zip_file_is_told(tmp_path: Path):
    archive = zipped(tmp_path / "set.zip", {"a": b"A"})
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # encrypted, says the member's own header
    data[data.index(b"PK\1\2") + 8] |= 1  # and the list of members
    archive.write_bytes(data)
    with pytest.raises(UserError, match="password required"):
        unpack(archive, tmp_path / "out")


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path):
    (tmp_path / "out.partial" / "old").mkdir(parents=True)
    unpack(tar(tmp_path / "set.tar", {"a": b"A"}), tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["out", "set.tar"] and held(tmp_path / "out") == {"a": b"A"}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch):
    def fill_up(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives.shutil, "copyfileobj", fill_up)
    with pytest.raises(OSError, match="No space"):
        unpack(tar(tmp_path / "set.tar", {"a": b"A"}), tmp_path / "out")
    assert os.listdir(tmp_path) == ["set.tar"]


def test_gunzip(tmp_path: Path, monkeypatch):
    (tmp_path / "a.gz").write_bytes(gzip.compress(NOISE))
    gunzip(tmp_path / "a.gz", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == NOISE
    (tmp_path / "b.gz").write_bytes(gzip.compress(NOISE)[:-10])
    with pytest.raises(UserError, match="b.gz is damaged"):
        gunzip(tmp_path / "b.gz", tmp_path / "b")
    monkeypatch.setattr(archives, "LEAST_ALLOWED", 10_000)
    (tmp_path / "c.gz").write_bytes(gzip.compress(bytes(3_000_000)))
    with pytest.raises(UserError, match="c.gz is refused"):
        gunzip(tmp_path / "c.gz", tmp_path / "c")
    assert sorted(os.listdir(tmp_path)) == ["a", "a.gz", "b.gz", "c.gz"]


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.soak)])
def test_a_damaged_archive_is_refused_in_one_line_or_unpacked_right(tmp_path: Path, count):
    members = {"set/a.png": NOISE[:3000], "set/b/" + "n" * 150: b"B" * 2000}
    make = [lambda path, mode=mode: tar(path, members, mode) for mode in ("w:", "w:gz", "w:bz2", "w:xz")]
    originals = [
        each(tmp_path / f"{number}").read_bytes()
        for number, each in enumerate([*make, lambda path: zipped(path, members)])
    ]
    refused = 0
    for number in range(count):
        rng = np.random.default_rng(number)
        data = bytearray(originals[number % len(originals)])
        if number % 3:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        else:
            del data[rng.integers(len(data)) :]
        (tmp_path / "set").write_bytes(data)
        try:
            unpack(tmp_path / "set", tmp_path / "out")
        except UserError as error:
            assert str(tmp_path / "set") in str(error) and "\n" not in str(error)
            refused += 1
        else:
            found = held(tmp_path / "out")
            if number % len(originals):  # a plain tar file has no checksums of its content
                assert set(found.values()) <= set(members.values()), number
            shutil.rmtree(tmp_path / "out")
        assert not (tmp_path / "out").exists() and not (tmp_path / "out.partial").exists()
    assert refused > count / 2
