"""What all tests share: the commands, run in this process, and an environment without network or accounts."""

import gzip
import hashlib
import importlib.util
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
pytest_plugins = ["stand_ins", "full_disk"]  # tests/stand_ins.py, tests/full_disk.py
os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session", autouse=True)
def _locks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Lock files of the tests stay out of the user's cache."""
    os.environ["GANLAB_LOCKS"] = str(tmp_path_factory.mktemp("locks"))


@dataclass
class Outcome:
    """How a command ended: exit code and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of packs for all tests: the digits are packed once."""
    return tmp_path_factory.mktemp("packs")


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, packs: Path
) -> Callable[..., Outcome]:
    """Run ``python src/<name>.py <overrides>`` in this process, from an empty folder."""

    def run(name: str, *overrides: str) -> Outcome:
        script = ROOT / "src" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"entry_{name}", script)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        places = (
            [] if name in ("sample", "translate") or any(o.startswith("-") for o in overrides) else [f"packs={packs}"]
        )
        if name == "train" and places and not any("trainer.precision=" in o for o in overrides):
            places.append("trainer.precision=32-true")  # numbers of tests are the same on machines with bfloat16
        monkeypatch.setattr(sys, "argv", [str(script), *places, *overrides])
        monkeypatch.chdir(tmp_path)
        capfd.readouterr()
        try:
            module.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def gone() -> Callable[..., bool]:
    """Wait a few seconds for processes, by their ids, to end; return whether they all did."""

    def running(pids: tuple[int, ...]) -> bool:
        listed = subprocess.run(["ps", "-o", "stat=", "-p", ",".join(map(str, pids))], capture_output=True, text=True)
        return any(not state.startswith("Z") for state in listed.stdout.split())  # nobody may wait for an orphan

    def wait(*pids: int) -> bool:
        deadline = time.monotonic() + 8
        while running(pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        return not running(pids)

    return wait


class Web(ThreadingHTTPServer):
    """A web server on this machine with ``files`` by name, that can be made to fail.

    Of every answer only the first ``cut`` bytes are sent, ``pause`` seconds pass between blocks, and without ``ranges``
    every answer begins at the beginning. ``asked`` lists what came: name and Range header.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), WebAnswer)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.cut: int | None = None
        self.pause = 0.0
        self.ranges = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that was killed."""


class WebAnswer(BaseHTTPRequestHandler):
    """One answer of ``Web``."""

    server: Web

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server looks for
        web, name, asked = self.server, self.path.strip("/"), self.headers["Range"]
        web.asked.append((name, asked))
        if name in web.moved:
            self.send_response(302)
            self.send_header("Location", web.moved[name])
            return self.end_headers()
        if name not in web.files:
            return self.send_error(404)
        data = web.files[name]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and web.ranges else 0
        if start and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:][: web.cut]
        for place in range(0, len(body), 1000):
            self.wfile.write(body[place : place + 1000])
            time.sleep(web.pause)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server on this machine, for one test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Web() as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def write_mnist(folder: Path, stems: tuple[str, ...] = ("train", "t10k"), count: int = 20) -> dict[str, np.ndarray]:
    """Write IDX files of ``count`` random pictures with labels 0, 1, ... 9, 0, ...; return the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for stem in stems:
        pixels = np.random.default_rng(len(written)).integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + pixels.tobytes())
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
        written[stem] = pixels
    return written


@pytest.fixture
def idx() -> Callable[..., dict[str, np.ndarray]]:
    """See ``write_mnist``."""
    return write_mnist


@pytest.fixture
def mnist_web(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Let MNIST be fetched from this machine; returns its twenty training pictures."""
    from torchvision import datasets

    pixels = write_mnist(tmp_path / "published")["train"]
    for path in (tmp_path / "published").iterdir():
        web.files[f"{path.name}.gz"] = gzip.compress(path.read_bytes())
    digests = [(name, hashlib.md5(web.files[name]).hexdigest()) for name, _ in datasets.MNIST.resources]
    monkeypatch.setattr(datasets.MNIST, "mirrors", [web.url])
    monkeypatch.setattr(datasets.MNIST, "resources", digests)
    return pixels


SMOKE = ("debug=smoke", "logger=none")
_trained: dict[str, Path] = {}


@pytest.fixture
def smoke(command: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished ``debug=smoke`` run, trained once; tests leave it as it is."""
    if "smoke" not in _trained:
        outputs = tmp_path_factory.mktemp("outputs")
        outcome = command("train", *SMOKE, f"outputs={outputs}", "run=smoke")
        assert outcome.code == 0, outcome.err
        (outputs / "smoke" / "console.txt").write_text(outcome.out)
        _trained["smoke"] = outputs / "smoke"
    return _trained["smoke"]
