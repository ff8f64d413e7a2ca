"""Tables on the terminal and in files: nothing is cut off."""

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

LEAST = 12  # characters that a column keeps, if it has as many
BORDER = 3  # characters around a cell


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, its longest cells folded; as wide as it is in a file.

    Text is printed as it is, brackets and colons included. On a terminal too narrow for all columns, lines wrap.
    """
    console, natural = Console(markup=False, emoji=False, highlight=False), 1
    for column in table.columns:
        column.overflow, column.no_wrap = "fold", False
        lengths = [cell_len(line) for cell in (column.header, *column.cells) for line in str(cell).splitlines()]
        column.min_width = min(max(lengths, default=0), LEAST)
        natural += max(lengths, default=0) + BORDER
    least = 1 + sum((column.min_width or 0) + BORDER for column in table.columns)
    console.width = max(least, min(natural, console.width)) if console.is_terminal else natural
    if table.title and not console.is_terminal:  # in one line, wider than a narrow table
        console.print(table.title, soft_wrap=True)
        table.title = None
    console.print(table)
