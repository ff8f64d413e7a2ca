"""Look up a variant by name."""

from typing import TypeVar

T = TypeVar("T")


def choose(table: dict[str, T], name: str, what: str) -> T:
    """Return ``table[name]``, or raise a ValueError that lists the known names."""
    if name not in table:
        raise ValueError(f"{what} {name!r} does not exist; choose one of {', '.join(table)}")
    return table[name]
