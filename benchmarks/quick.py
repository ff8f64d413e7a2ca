"""The quick set: every benchmark with small values, written to docs/benchmarks.md with the machine's description.

python benchmarks/quick.py                    some minutes; nothing else should run meanwhile
python benchmarks/quick.py --only startup scaling     some of them, printed and not written
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/benchmarks.md"
SET = {
    "train_speed": ["--sizes", "32", "64", "--widths", "32", "--steps", "8"],
    "startup": ["--rounds", "3"],
    "data_speed": ["--count", "300", "--rounds", "2", "--parts", "packing", "loading"],
    "metrics_speed": ["--count", "1000"],
    "scaling": [],
}
HEAD = """# Benchmarks

`make bench` runs the quick set and writes this page. `--help` of each script describes what it compares and how. On a
CPU only ratios are reported: they carry over to similar machines, seconds do not.

"""


def machine() -> str:
    """Describe this machine and what runs on it."""
    import torch

    sys.path.insert(0, str(ROOT / "src"))
    from ganlab.runs.machine import Machine

    here, flags = Machine.here(), torch.backends.cpu.get_cpu_capability()
    return (
        f"Machine: {here.device}, {here.name}, bf16 products: {'yes' if here.bf16 else 'no'}; {os.cpu_count()} CPU "
        f"cores ({flags}); torch {torch.__version__}, Python {sys.version.split()[0]}; {datetime.now(UTC):%Y-%m-%d}."
    )


def main() -> None:
    """Run the set and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SET), default=list(SET))
    options = parser.parse_args()
    parts = [HEAD + machine() + "\n"]
    for name in options.only:
        command = ["python", f"benchmarks/{name}.py", *SET[name]]
        print(f"{shlex.join(command)} ...", flush=True)
        began = time.monotonic()
        done = subprocess.run([sys.executable, *command[1:]], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        print(f"{done.stdout}({time.monotonic() - began:.0f} s)", flush=True)
        lines = "".join(f"    {line}\n" for line in done.stdout.splitlines())
        parts.append(f"\n## {name}\n\n`{shlex.join(command)}`\n\n{lines}")
    if options.only == list(SET):
        PAGE.write_text("".join(parts))
        print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
