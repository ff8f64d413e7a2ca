"""What is said about pictures that are left out of a pack, or hardly are pictures."""

from collections.abc import Sequence

from ganlab.data.packs.writer import DARK
from ganlab.errors import UserError

NAMED = 3  # files named, and reasons given


def by_reason(skipped: Sequence[Sequence[str]]) -> str:
    """Return how many pictures are skipped for each reason, with the first names of each."""
    reasons: dict[str, list[str]] = {}
    for name, reason in skipped:
        reasons.setdefault(reason, []).append(name)
    parts = [
        f"{len(names):,} {reason} ({', '.join(names[:NAMED])}{', ...' * (len(names) > NAMED)})"
        for reason, names in sorted(reasons.items(), key=lambda entry: -len(entry[1]))
    ]
    more = f"; {len(parts) - NAMED} other reasons" if len(parts) > NAMED else ""
    return f"{len(skipped):,} unreadable pictures left out: {'; '.join(parts[:NAMED])}{more}"


def dark_remark(dark: int, count: int) -> str:
    """Return a caution about a pack of which a tenth or more are nearly black; empty for others."""
    if dark * 10 < max(count, 1):
        return ""
    return (
        f"{dark:,} of {count:,} pictures are nearly black, none of their values above {DARK} of 255: if the files hold "
        "12-bit values in 16 bits, multiply these by 16 first (of 10 bits by 64, of 14 by 4), such as with mogrify "
        "-evaluate multiply 16 FILES; if they hold class numbers, they are no pictures"
    )


def refuse_broken(skipped: list[list[str]], count: int, name: str, max_broken: float) -> None:
    """Raise ``UserError`` if more than the share ``max_broken`` of ``count`` pictures, or all, are skipped."""
    if len(skipped) <= max_broken * count and len(skipped) < count:
        return
    first = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3])
    raise UserError(
        f"at least {len(skipped)} of {count} pictures of {name} cannot be read ({first}): replace or remove them, or "
        f"allow a larger share with data.max_broken (now {max_broken})"
    )
