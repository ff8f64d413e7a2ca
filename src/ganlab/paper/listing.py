"""A list of the figures and tables, read from their configuration files without heavy imports."""

import yaml
from rich.table import Table

from ganlab.configuration.entry import CONF
from ganlab.report.tables import print_table

KINDS = ("figure", "table")


def list_figures() -> None:
    """Print every figure and table with its description and what ``from_scratch=true`` trains for it."""
    table = Table(title="python src/reproduce.py figure=4 checkpoint=RUN/checkpoints/best.ckpt", title_justify="left")
    for heading in ("", "", "from_scratch=true trains"):
        table.add_column(heading)
    for kind in KINDS:
        for file in sorted((CONF / kind).glob("*.yaml"), key=lambda path: path.stem.zfill(2)):  # numbers first
            lines = [line[2:] for line in file.read_text().splitlines() if line.startswith("# ")]
            words = " ".join(line for line in lines if not line.startswith(("python ", "@package")))
            train: dict[str, str] = yaml.safe_load(file.read_text()).get("train") or {}
            recipes = [f"{role}: {overrides}" for role, overrides in train.items() if role != "take" and overrides]
            table.add_row(f"{kind}={file.stem}", words, "\n".join(recipes))
    print_table(table)
