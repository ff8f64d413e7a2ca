"""Configuration reference, written from the configuration files: ``python -m ganlab.configuration.reference``."""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import yaml

from ganlab.configuration.entry import CONF
from ganlab.files import write_text_atomically

PAGE = CONF.parent / "docs" / "configuration.md"
HEAD = """# Configuration reference

Written from `conf/` by `python -m ganlab.configuration.reference`; a test keeps it current. Type any key as
`key=value`, any group as `group=option`; `--cfg job` prints the whole configuration that results.
"""
REPEATED = ("${data.", "${architecture.", "${oc.select:architecture.")  # values of another key
SKIPPED = ("hydra", "_target_", "_partial_")


def page() -> str:
    """Return the reference as Markdown."""
    parts = [HEAD]
    for file in sorted(CONF.glob("*.yaml")):
        parts.append(f"\n## `conf/{file.name}`\n\n" + describe(file, ""))
    folders = sorted(path.parent.relative_to(CONF).as_posix() for path in CONF.glob("**/*.yaml"))
    for group in dict.fromkeys(folder for folder in folders if folder != "." and not folder.startswith("hydra")):
        parts.append(f"\n## `{group}=`\n")
        for file in sorted((CONF / group).glob("*.yaml")):
            packed = "_global_" in file.read_text().splitlines()[0]
            prefix = "" if packed else group.removesuffix("/base").replace("/", ".")
            parts.append(f"\n### `{group}={file.stem}`\n\n" + describe(file, prefix))
    return "".join(parts)


def describe(file: Path, prefix: str) -> str:
    """Return the commands and words of a file's opening comments, and a table of its keys, values and comments."""
    commands, words = opening(file)
    lines = file.read_text().splitlines()
    text = "".join(f"    {command}\n" for command in commands) + (f"\n{words}\n" if words else "")
    node = yaml.compose("\n".join(lines))
    if rows := list(leaves(node, prefix, lines)) if node else []:
        text += "\n| key | value | |\n|---|---|---|\n"
        text += "".join(f"| `{key}` | `{value}` | {comment} |\n" for key, value, comment in rows)
    return text


def opening(file: Path) -> tuple[list[str], str]:
    """Return the commands in a file's opening comments, and the other words there."""
    head = takewhile(lambda line: line[:1] == "#", file.read_text().splitlines())
    comments = [line.lstrip("# ").rstrip() for line in head]
    commands = [line for line in comments if line.startswith("python ")]
    return commands, " ".join(line for line in comments if not line.startswith(("python ", "@package")))


def leaves(node: yaml.Node, prefix: str, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (dotted key, value as written, comment) of every value below a mapping that does not repeat another key."""
    if not isinstance(node, yaml.MappingNode):
        return
    for name, value in node.value:
        key = f"{prefix}.{name.value}" if prefix else str(name.value)
        if name.value in SKIPPED:
            continue
        if name.value == "defaults":
            yield from chosen(value, prefix)
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from leaves(value, key, lines)
        elif not (isinstance(value, yaml.ScalarNode) and value.value.startswith(REPEATED)):
            written = " ".join("\n".join(lines)[value.start_mark.index : value.end_mark.index].split())
            comment = lines[value.start_mark.line].partition(" # ")[2]
            yield key, written.split(" # ")[0].replace("|", "\\|"), comment.strip().replace("|", "\\|")


def chosen(node: yaml.Node, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each option that a file's ``defaults`` choose; ``prefix`` is the group of the file."""
    for entry in yaml.safe_load(yaml.serialize(node)):
        if isinstance(entry, dict):
            for group, option in entry.items():
                name = f"{prefix}/{group.removeprefix('override ')}".rpartition("//")[2].lstrip("/")
                if not name.startswith("hydra"):
                    yield f"{name}=", str(option).replace("'", ""), "chosen here"


if __name__ == "__main__":
    write_text_atomically(PAGE, page())
    print(PAGE)
