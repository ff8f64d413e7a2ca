"""Runs with damage at a random place of a random file: they continue to the same result, or end in one clear line."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from equality import equal
from ganlab.errors import UserError
from ganlab.systems.checkpoint import read

LONGER = ("debug=smoke", "logger=none", "max_images=288", "every.metrics=1000", "every.samples=1000")


def truncate(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.randrange(max(file.stat().st_size, 1)))


def flip(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 1, 20])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def overwrite(file: Path, rng: random.Random) -> None:
    file.write_bytes(rng.choice([b"", b"\0" * 500, b"{}", b"[]", b"null", rng.randbytes(500)]))


def lose(file: Path, rng: random.Random) -> None:
    file.unlink()


def turn_into_folder(file: Path, rng: random.Random) -> None:
    file.unlink()
    file.mkdir()


DAMAGES = (truncate, flip, flip, flip, overwrite, lose, turn_into_folder)


@pytest.mark.parametrize("count", [30, pytest.param(200, marks=pytest.mark.soak)])
def test_a_damaged_checkpoint_is_refused_in_one_line_or_read_as_it_was(smoke: Path, tmp_path: Path, count: int) -> None:
    whole, file = read(smoke / "checkpoints" / "last.ckpt"), tmp_path / "last.ckpt"
    refused = 0
    for number in range(count):
        rng = random.Random(number)
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        shutil.copy(smoke / "checkpoints" / "last.ckpt", file)
        DAMAGES[number % len(DAMAGES)](file, rng)
        try:
            found = read(file)
        except UserError as error:
            assert str(file) in str(error) and "\n" not in str(error) and len(str(error)) < 400
            refused += 1
        else:
            assert equal(found, whole), number
    assert refused > 0.7 * count  # what is left are bits of no meaning


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.soak)])
def test_a_damaged_run_continues_to_the_same_result_or_ends_in_one_line(
    command: Callable, smoke: Path, tmp_path: Path, count: int
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "damaged"
    shutil.copytree(smoke, whole)
    assert command("train", *LONGER, f"outputs={tmp_path}", "run=whole").code == 0
    expected = read(whole / "checkpoints" / "last.ckpt")
    continued = 0
    for number in range(count):
        rng = random.Random(number)
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(smoke, run)
        file = rng.choice(sorted(path for path in run.rglob("*") if path.is_file()))
        damage = rng.choice(DAMAGES)
        damage(file, rng)
        outcome = command("train", *LONGER, f"outputs={tmp_path}", "run=damaged")
        errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert "Traceback" not in outcome.err and (outcome.code, len(errors)) in ((0, 0), (1, 1)), outcome.err
        if outcome.code == 0:
            found = read(run / "checkpoints" / "last.ckpt")
            for part in ("images_seen", "state_dict", "optimizer_states"):
                assert equal(found[part], expected[part]), (file.name, damage.__name__, part)
            continued += 1
    assert continued > 0.7 * count
