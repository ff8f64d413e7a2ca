"""Values that are text, such as names and paths, taken exactly as typed whatever Hydra's grammar makes of them."""

import os
import re
from fnmatch import fnmatchcase

from hydra.core.override_parser.types import Quote, QuotedString

from ganlab.errors import UserError

NAMES = "run name *.name data.set logger.*.project logger.*.entity logger.*.tags train.checkpoint train.baseline"
PATHS = "outputs packs pack checkpoint baseline exemplars boxes pick input output real generated root"
PATHS += " *.root *.file *.weights"
NEVER_NULL = "run name outputs packs *.root *.file"  # elsewhere an unquoted null means none
LISTS = "checkpoint baseline logger.*.tags"  # [A,B] is a list
SINGLE = "outputs packs name"  # of a whole sweep: a comma separates nothing
PLAIN = re.compile(r"(?!(?:null|true|false|inf|nan)$)(?:[a-z_/]|\.\.?/)[\w./-]*", re.ASCII | re.IGNORECASE)
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
ELEMENT = re.compile(rf"\s*({QUOTED.pattern}|[^,]*?)\s*(?:,|$)", re.DOTALL)
SWEEPS = re.compile(r"(?:choice|range|interval|glob|shuffle|sort|tag)\(.*\)")  # Hydra's functions


def is_text(key: str) -> bool:
    """Whether the values of a key are names, paths or command lines."""
    return _among(key, f"{NAMES} {PATHS}")


def as_typed(key: str, value: str, *, sweep: bool) -> str:
    """Return the value of a text key as Hydra has to see it, with ``~`` as the home folder; ``UserError`` if empty.

    Text in Hydra's quotes loses these. In a ``sweep``, commas outside of quotes separate values, unless a file or
    folder has the whole value as its name or the key has one value for all jobs.
    """

    def one(element: str) -> str:
        return element if element == "null" and not _among(key, NEVER_NULL) else quoted(_expanded(key, element))

    if not value:
        raise UserError(f"{key}= is empty: type {'a name' if _among(key, NAMES) else 'a path'} behind it")
    if value[0] == "[" and value[-1] == "]" and _among(key, LISTS):
        return f"[{','.join(map(one, split(value[1:-1])))}]"
    if sweep and SWEEPS.fullmatch(value):
        return value
    elements = split(value) if sweep else []
    whole = _among(key, SINGLE) and not all(map(QUOTED.fullmatch, elements))
    if len(elements) < 2 or whole or os.path.exists(os.path.expanduser(value)):
        return one(value)
    return ",".join(map(one, elements))


def as_choices(value: str) -> str:
    """Return the options of a group as Hydra has to see them: words, where it would read ``false`` or ``4``."""
    inner = value[1:-1] if value[:1] == "[" and value[-1:] == "]" else value
    if "[" in inner or SWEEPS.fullmatch(value):  # a sweep over lists
        return value
    words = ",".join(quoted(unquoted(each)) for each in split(inner))
    return words if inner is value else f"[{words}]"


def split(values: str) -> list[str]:
    """Return the values between commas outside of quotes, without blanks around them."""
    return [found[1] for found in ELEMENT.finditer(f"{values},") if found[0]] if values else []


def quoted(text: str) -> str:
    """Return text as a value of an override that Hydra reads as the same text, in quotes where it needs them."""
    if PLAIN.fullmatch(text):
        return text
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)  # else an interpolation
    return QuotedString(escaped, Quote.single).with_quotes()


def unquoted(value: str) -> str:
    """Return the text of a value of an override; that of a value in quotes without them."""
    if not QUOTED.fullmatch(value):
        return value
    text = re.sub(rf"(\\+)({value[0]}|$)", lambda found: "\\" * (len(found[1]) // 2) + found[2], value[1:-1])
    return re.sub(r"((?:\\\\)*)\\\$\{", lambda found: found[1][::2] + "${", text)


def _expanded(key: str, element: str) -> str:
    text = unquoted(element)
    if not _among(key, PATHS) or not text.startswith("~"):
        return text
    if (path := os.path.expanduser(text)).startswith("~"):
        raise UserError(
            f"{key}={text}: {text.partition('/')[0]} is no user's home folder; if it is a name, type ./{text}"
        )
    return path


def _among(key: str, patterns: str) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns.split())
