import io
import re
import sys

import pytest
from rich.table import Table

from ganlab.report.tables import print_table

LONG = "/data/" + "0123456789" * 12
REASON = "failed: [Errno 28] there is no folder :warning: type [bold]data.root=PICTURES[/bold]"


class Terminal(io.StringIO):
    """A terminal, as far as rich can see."""

    def isatty(self) -> bool:
        return True


def printed(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    """The lines of a table of two jobs on a stream."""
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    table = Table("job", "status", "score", "data.root", "optimizer.lr", "minutes", title=f"{LONG}[/]/sweep.csv")
    table.add_row("000", "finished", "fid 21.5", LONG, "1e-4", "3.25")
    table.add_row("001", REASON, "", f"{LONG}写真", "2e-4", "0.01")
    print_table(table)
    return re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue()).splitlines()


@pytest.mark.parametrize("columns", [20, 80])
def test_in_a_file_every_row_is_one_whole_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines = printed(io.StringIO(), monkeypatch, columns)
    first, second = (next(line for line in lines if number in line) for number in (" 000 ", " 001 "))
    assert "finished" in first and LONG in first and "fid 21.5" in first
    assert REASON in second and f"{LONG}写真" in second
    assert len(lines) == 7 and lines[0].strip() == f"{LONG}[/]/sweep.csv"


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 400])
def test_a_narrow_terminal_folds_and_keeps_everything(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines = printed(Terminal(), monkeypatch, columns)
    assert max(map(len, lines)) <= max(columns, 80)
    assert "…" not in "".join(lines)
    cells = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if line[:1] in "│┃"]
    whole = ["".join("".join(column).split()) for column in zip(*cells, strict=True)]
    assert whole[1] == "".join(f"status finished {REASON}".split())
    assert whole[3] == f"data.root{LONG}{LONG}写真"


def test_the_title_of_a_narrow_table_in_a_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("fid", title=LONG, title_justify="left")
    table.add_row("3.5")
    print_table(table)
    assert capsys.readouterr().out.splitlines()[0].strip() == LONG
