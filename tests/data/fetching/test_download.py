import errno
import hashlib
import io
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ganlab.data.fetching import download
from ganlab.data.fetching.download import SafeRedirects, fetch, fetch_archive
from ganlab.errors import UserError

DATA = np.random.default_rng(0).bytes(50_000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return packed.getvalue()


def test_a_file_is_fetched_once_and_checked(web, tmp_path: Path):
    web.files["set.bin"] = DATA
    path = tmp_path / "sets" / "set.bin"
    for _ in range(2):
        fetch(web.url + "set.bin", path, md5=hashlib.md5(DATA).hexdigest())
    assert path.read_bytes() == DATA and web.asked == [("set.bin", None)]
    assert sorted(file.name for file in path.parent.iterdir()) == ["set.bin"]


def test_a_server_that_breaks_off_is_asked_for_the_rest(web, tmp_path: Path):
    web.files["set.bin"], web.cut = DATA, 25_000
    fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == DATA
    assert web.asked == [("set.bin", None), ("set.bin", "bytes=25000-")]


def test_a_server_that_always_breaks_off_leaves_nothing_that_looks_whole(web, tmp_path: Path):
    web.files["set.bin"], web.cut, web.ranges = DATA, 25_000, False
    with pytest.raises(UserError, match=r"set.bin could not be fetched \(.* broke off after 25,000 of 50,000") as told:
        fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert "\n" not in str(told.value) and f"put it in place as {tmp_path / 'set.bin'}" in str(told.value)
    assert not (tmp_path / "set.bin").exists() and len(web.asked) == 1 + download.ATTEMPTS
    web.cut = None
    fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (DATA[:12_345], ["bytes=12345-"]),
        (DATA, ["bytes=50000-"]),
        (DATA + b"more", ["bytes=50004-", None]),
    ],
    ids=["half", "all", "too much"],
)
def test_what_a_killed_process_left_is_continued(web, tmp_path: Path, held, asked):
    web.files["set.bin"] = DATA
    (tmp_path / "set.bin.part").write_bytes(held)
    fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == DATA and [header for _, header in web.asked] == asked
    assert not (tmp_path / "set.bin.part").exists()


def test_wrong_bytes_are_deleted(web, tmp_path: Path):
    web.files["set.bin"] = DATA
    with pytest.raises(UserError, match="not the file that was published .*its md5 is .* instead of 0000.*was deleted"):
        fetch(web.url + "set.bin", tmp_path / "set.bin", md5="0" * 32)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_where_nothing_was_fetched(tmp_path: Path):
    with pytest.raises(UserError, match="could not be fetched"):
        fetch("http://127.0.0.1:9/set.bin", tmp_path / "sets" / "raw" / "set.bin")
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="could not be fetched"):
        fetch_archive("http://127.0.0.1:9/set.zip", tmp_path / "mine" / "a", expected=tmp_path / "mine" / "a" / "set")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_addresses_that_lead_nowhere(web, tmp_path: Path):
    with pytest.raises(UserError, match=r"nothing.zip was refused \(404 Not Found\): fetch it by other means"):
        fetch(web.url + "nothing.zip", tmp_path / "nothing.zip")
    assert len(web.asked) == 1
    with pytest.raises(UserError, match=r"could not be fetched \(.*refused\): get online and repeat"):
        fetch("http://127.0.0.1:9/set.bin", tmp_path / "set.bin")
    for address in ("file:///etc/hostname", "ftp://127.0.0.1/set.bin", "/etc/hostname"):
        with pytest.raises(UserError, match="no address on the web"):
            fetch(address, tmp_path / "set.bin")
    web.moved["set.bin"] = "ftp://127.0.0.1/set.bin"
    with pytest.raises(UserError, match="it leads from http to ftp"):
        fetch(web.url + "set.bin", tmp_path / "set.bin")
    web.moved["set.bin"] = "file:///etc/hostname"
    with pytest.raises(UserError, match="was refused"):
        fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert not (tmp_path / "set.bin").exists()


def test_a_full_disk_and_a_place_that_cannot_be_written(web, tmp_path: Path, monkeypatch):
    web.files["set.bin"] = DATA
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"{tmp_path / 'file'} cannot be written .*set data.root=FOLDER"):
        fetch(web.url + "set.bin", tmp_path / "file" / "set.bin")

    def fill_up(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "copy", fill_up)
    with pytest.raises(UserError, match="the disk is full while fetching .*repeat, which continues"):
        fetch(web.url + "set.bin", tmp_path / "set.bin")
    monkeypatch.undo()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10_000}))
    with pytest.raises(UserError, match="the disk is full .*0.1 MB are needed in .*, 0.0 MB are free"):
        fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert not (tmp_path / "set.bin").exists()


def test_a_server_in_trouble_is_asked_again(monkeypatch, web, tmp_path: Path):
    answers = [urllib.error.HTTPError("", 503, "Busy", {}, None), ConnectionResetError("reset")]  # type: ignore[arg-type]
    real = download.OPENER.open

    def sometimes(*arguments, **options):
        if answers:
            raise answers.pop(0)
        return real(*arguments, **options)

    web.files["set.bin"] = DATA
    monkeypatch.setattr(download.OPENER, "open", sometimes)
    fetch(web.url + "set.bin", tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == DATA


def test_several_at_once_fetch_once(web, tmp_path: Path):
    web.files["set.zip"], web.pause = zipped(set__a=DATA), 0.001
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(fetch_archive, web.url + "set.zip", tmp_path, expected=tmp_path / "set") for _ in range(4)]
    assert [job.result() for job in jobs] == [None] * 4 and len(web.asked) == 1
    assert (tmp_path / "set" / "a").read_bytes() == DATA


def test_an_archive_is_fetched_unpacked_and_dropped(web, tmp_path: Path):
    web.files["my%20set.zip"] = zipped(set__train__a=b"A", set__b=b"B")
    for _ in range(2):
        fetch_archive(web.url + "my%20set.zip", tmp_path / "sets", expected=tmp_path / "sets" / "set" / "train")
    assert web.asked == [("my%20set.zip", None)]
    assert (tmp_path / "sets" / "set" / "train" / "a").read_bytes() == b"A"
    assert [path.name for path in (tmp_path / "sets").iterdir() if not path.name.startswith(".")] == ["set"]


def test_an_archive_without_a_published_digest_is_not_unpacked_in_silence(web, tmp_path: Path, caplog):
    web.files["set.zip"] = content = zipped(**{"set/a": b"A"})
    md5 = hashlib.md5(content).hexdigest()
    fetch_archive(web.url + "set.zip", tmp_path / "known", expected=tmp_path / "known" / "set", md5=md5)
    assert not caplog.records
    fetch_archive(web.url + "set.zip", tmp_path, expected=tmp_path / "set")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"{tmp_path / 'set.zip'} is unpacked unverified: no digest of it is published"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "set.zip").write_bytes(zipped(**{"set/a": b"B"}))
    with pytest.raises(UserError, match="other/set.zip is not the file that was published .*: remove it"):
        fetch_archive(web.url + "set.zip", tmp_path / "other", expected=tmp_path / "other" / "set", md5=md5)


def test_https_is_not_left_for_http():
    handler, request = SafeRedirects(), urllib.request.Request("https://a.example/set.zip")
    with pytest.raises(urllib.error.URLError, match="it leads from https to http"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://a.example/set.zip")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://b.example/set.zip")


def test_an_archive_put_there_by_hand_is_taken_and_nothing_is_replaced(tmp_path: Path):
    place = tmp_path / "sets"
    (place / "set").mkdir(parents=True)
    (place / "set" / "own").write_text("mine")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in {"set/own": b"theirs", "set/train/a": b"A", "set/z": b"Z"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    (place / "set.tar.gz").write_bytes(packed.getvalue())
    fetch_archive("http://127.0.0.1:9/set.tar.gz", place, expected=place / "set" / "train")
    held = {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}
    assert {name: text for name, text in held.items() if not name.startswith(".")} == {
        "set/own": "mine",
        "set/train/a": "A",
        "set/z": "Z",
    }


def test_an_archive_without_what_is_expected_stays_for_unpacking_by_hand(web, tmp_path: Path):
    web.files["set.zip"] = zipped(other__a=b"A")
    with pytest.raises(UserError, match="set.zip holds other, not set: unpack it by hand so that .*set exists"):
        fetch_archive(web.url + "set.zip", tmp_path, expected=tmp_path / "set")
    assert (tmp_path / "set.zip").exists() and not (tmp_path / "other").exists()


def test_a_captive_portal_is_no_archive(web, tmp_path: Path):
    web.files["set.zip"] = b"<html>please sign in</html>"
    with pytest.raises(UserError, match=r"set.zip is damaged \(it is no tar or zip file, or cut off\): delete it"):
        fetch_archive(web.url + "set.zip", tmp_path, expected=tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_move_that_was_killed_is_finished(tmp_path: Path):
    (tmp_path / ".set.zip.unpacked" / "set" / "train").mkdir(parents=True)
    (tmp_path / "set").mkdir()
    (tmp_path / "set.zip").write_bytes(b"was unpacked already")
    fetch_archive("http://127.0.0.1:9/set.zip", tmp_path, expected=tmp_path / "set" / "train")
    assert (tmp_path / "set" / "train").is_dir() and not (tmp_path / "set.zip").exists()


def test_a_process_killed_while_it_fetches_leaves_a_beginning(web, tmp_path: Path):
    web.files["set.zip"], web.pause = zipped(set__a=DATA), 0.02
    code = (
        "import sys; from pathlib import Path; from ganlab.data.fetching import download; download.BLOCK = 1000\n"
        "download.fetch_archive(sys.argv[1], Path('.'), expected=Path('set'))"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path), "no_proxy": "127.0.0.1"}
    process = subprocess.Popen([sys.executable, "-c", code, web.url + "set.zip"], cwd=tmp_path, env=environment)
    part = tmp_path / "set.zip.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    held = part.stat().st_size
    assert 0 < held < len(web.files["set.zip"])
    assert not (tmp_path / "set").exists() and not (tmp_path / "set.zip").exists()
    web.pause = 0
    fetch_archive(web.url + "set.zip", tmp_path, expected=tmp_path / "set")
    assert (tmp_path / "set" / "a").read_bytes() == DATA and web.asked[-1] == ("set.zip", f"bytes={held}-")
