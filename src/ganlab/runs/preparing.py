"""The command ``prepare``: fetch and pack data, describe and verify packs."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ganlab.configuration.checking import check
from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack, open_complete
from ganlab.data.packs.remarks import by_reason, dark_remark
from ganlab.data.spec import PackSpec
from ganlab.errors import UserError, one_line
from ganlab.report.grids import save_grid
from ganlab.runs.build import build_data

ACTIONS = ("make", "show", "verify")
SHEET = 64  # pictures on a contact sheet
NAMED = 12  # classes named in full


def prepare(config: DictConfig) -> None:
    """Make, show or verify the packs of ``config.data``, or the one in folder ``config.pack``.

    ``make`` downloads unless ``data.download=false`` is typed; the other actions do not unless it is typed true.
    """
    action = "verify" if config.verify is True else config.action
    if action not in ACTIONS:
        raise UserError(f"action={action} is not known: type one of {', '.join(ACTIONS)}")
    if config.pack is not None:
        if action == "make":
            raise UserError(f"pack={config.pack} is made already: type action=show or action=verify with it")
        return show_or_verify(action, Path(config.pack).expanduser(), "set pack to the folder of one")
    typed = "verify=true" if config.verify is True else f"action={action}"
    chosen = any(override.startswith("data.download=") for override in HydraConfig.get().overrides.task)
    if "download" in config.data and not chosen:
        OmegaConf.update(config, "data.download", action == "make")
    for spec in build_data(check(config)).specs:
        if action == "make":
            make(spec)
        else:
            show_or_verify(action, spec.folder, f"repeat the command without {typed} to make it")


def make(spec: PackSpec) -> None:
    """Make a pack if it is missing, write its contact sheet, and print what it holds."""
    speed = "made before" if open_complete(spec.folder) is not None else packed(replace(spec, hashing=None))
    pack = spec.make()
    writable = os.access(pack.folder, os.W_OK)
    sheet = str(write_sheet(pack)) if writable else f"not written: {pack.folder} cannot be written"
    print_facts(describe(pack) | {"speed": speed, "sheet": sheet})


def packed(spec: PackSpec) -> str:
    """Make a pack, and return the speed if this process did all the work."""
    if open_complete(spec.folder) is not None:
        return "packed before"
    before = begun(spec.folder)
    start = time.perf_counter()
    spec.make()
    seconds = time.perf_counter() - start
    return f"{'continued' if before else f'{len(spec.source) / seconds:,.0f} images/s'} ({seconds:.1f} s)"


def show_or_verify(action: str, folder: Path, fix: str) -> None:
    """Describe or verify the pack in ``folder``; ``fix`` is the advice if it is missing."""
    if not folder.is_dir():
        raise UserError(f"there is no pack {folder}{begun(folder)}: {fix}")
    pack = Pack.open(folder)
    if action == "show":
        return print_facts(describe(pack))
    start = time.perf_counter()
    pack.verify()
    rate = size(pack) / 1e6 / (time.perf_counter() - start)
    print_line(f"{folder} is intact: {len(pack):,} records, {', '.join(pack.arrays)}; {rate:,.0f} MB/s")


def begun(folder: Path) -> str:
    """Return how much of a pack a killed process wrote."""
    try:
        progress = json.loads((folder.with_name(f"{folder.name}.partial") / "progress.json").read_text())
        return f", only the first {progress['rows']:,} pictures of it"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def describe(pack: Pack) -> dict[str, str]:
    """Return facts about a pack, by short names."""
    manifest = pack.manifest
    facts = {"pack": str(pack.folder), "source": manifest["source"]}
    facts["records"] = f"{len(pack):,}, {size(pack) / 1e6:,.1f} MB"
    for name, array in pack.arrays.items():
        facts[name] = f"{'x'.join(map(str, array.shape[1:])) or 'one number'} {array.dtype}"
    if (names := manifest["classes"]) is not None and pack.labels is not None:
        counts = np.bincount(pack.labels[pack.labels >= 0], minlength=len(names))
        facts["classes"] = f"{len(names):,}: {short(names)}; {counts.min():,} to {counts.max():,} pictures each"
    for key in ("attributes", "content"):
        if manifest.get(key):
            facts[key] = short(manifest[key])
    facts["protocol"] = ", ".join(f"{key} {value}" for key, value in manifest["protocol"].items())
    if manifest["skipped"]:
        facts["skipped"] = f"{by_reason(manifest['skipped'])}; see {pack.folder / 'pack.json'}"
    if remark := dark_remark(manifest.get("dark", 0), len(pack)):
        facts["caution"] = remark
    if manifest["rejected"]:
        facts["rejected"] = ", ".join(f"{times:,} {reason}" for reason, times in manifest["rejected"].items())
    if dropped := manifest.get("deduplication"):
        many = f"{dropped['dropped']:,} of {dropped['count']:,} dropped"
        facts["duplicates"] = f"{many}: see {pack.folder / 'duplicates.png'}"
    return facts


def short(value: Any) -> str:
    """Return a list as text, shortened if it is long."""
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value[:NAMED])) + (f", ... {value[-1]}" if len(value) > NAMED else "")


def size(pack: Pack) -> int:
    """Return the bytes of all arrays."""
    return sum(array.nbytes for array in pack.arrays.values())


def print_facts(facts: Mapping[str, str]) -> None:
    """Print facts in two columns."""
    for name, fact in facts.items():
        print_line(f"{name:<{max(map(len, facts))}}  {fact}")


def print_line(line: str, stream: TextIO | None = None) -> None:
    """Print one line, on stdout by default; characters that the terminal cannot show are escaped."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    print(one_line(line).encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def write_sheet(pack: Pack) -> Path:
    """Write 64 evenly spaced pictures to ``sheet.png`` in the pack's folder; inputs are left of their targets."""
    chosen = np.linspace(0, len(pack) - 1, min(SHEET, len(pack))).astype(int)
    pictures = [array[chosen] for array in pack.arrays.values() if array.ndim == 4 and array.dtype == np.uint8]
    channels = max(array.shape[3] for array in pictures)
    row = np.concatenate([np.repeat(array, channels // array.shape[3], axis=3) for array in pictures], axis=2)
    path = pack.folder / "sheet.png"
    save_grid(channels_first(row), path)
    return path
