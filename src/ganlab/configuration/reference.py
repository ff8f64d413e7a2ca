"""The configuration reference, written from the configuration files: ``python -m ganlab.configuration.reference``."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from ganlab.configuration.entry import CONF
from ganlab.files import write_text_atomically

PAGE = CONF.parent / "docs" / "configuration.md"
HEAD = """# Configuration reference

Written from `conf/` by `python -m ganlab.configuration.reference`; a test keeps it current. Type any key as
`key=value`, any group as `group=option`; `--cfg job` prints the whole configuration that results.
"""
HANDED_ON = ("${data.", "${architecture.")  # values that only repeat another key's
SKIPPED = ("hydra", "_target_", "_partial_")


def page() -> str:
    """Return the whole reference as markdown."""
    parts = [HEAD]
    for file in sorted(CONF.glob("*.yaml")):
        parts.append(f"\n## `conf/{file.name}`\n\n" + describe(file, ""))
    folders = sorted(path.parent.relative_to(CONF).as_posix() for path in CONF.glob("**/*.yaml"))
    for group in dict.fromkeys(folder for folder in folders if folder != "." and not folder.startswith("hydra")):
        parts.append(f"\n## `{group}=`\n")
        for file in sorted((CONF / group).glob("*.yaml")):
            packed = "_global_" in file.read_text().splitlines()[0]
            parts.append(f"\n### `{group}={file.stem}`\n\n" + describe(file, "" if packed else group.split("/")[0]))
    return "".join(parts)


def describe(file: Path, prefix: str) -> str:
    """Return a file's opening comments and a table of its keys: value and comment of each."""
    lines = file.read_text().splitlines()
    opening = []
    for line in lines:
        if not line.startswith("#"):
            break
        opening.append(line.lstrip("# ").rstrip())
    opening = [line for line in opening if not line.startswith("@package")]
    commands = [line for line in opening if line.startswith("python ")]
    words = " ".join(line for line in opening if not line.startswith("python "))
    text = "".join(f"    {command}\n" for command in commands) + (f"\n{words}\n" if words else "")
    node = yaml.compose("\n".join(lines))
    rows = list(leaves(node, prefix, lines)) if node else []
    if rows:
        text += "\n| key | value | |\n|---|---|---|\n"
        text += "".join(f"| `{key}` | `{value}` | {comment} |\n" for key, value, comment in rows)
    return text


def leaves(node: yaml.Node, prefix: str, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (dotted key, value as written, comment behind it) of every value of its own below a mapping.

    Values that only hand on another key's are left out.
    """
    if not isinstance(node, yaml.MappingNode):
        return
    for name, value in node.value:
        if name.value in SKIPPED:
            continue
        if name.value == "defaults":
            yield from chosen(value)
            continue
        key = f"{prefix}.{name.value}" if prefix else str(name.value)
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from leaves(value, key, lines)
            continue
        line = lines[value.start_mark.line]
        written = " ".join("\n".join(lines)[value.start_mark.index : value.end_mark.index].split())
        if not (isinstance(value, yaml.ScalarNode) and value.value.startswith(HANDED_ON)):
            _, _, comment = line.partition(" # ")
            yield key, written.split(" # ")[0].replace("|", "\\|"), comment.strip().replace("|", "\\|")


def chosen(node: yaml.Node) -> Iterator[tuple[str, str, str]]:
    """Yield a row for every group that a file's ``defaults`` choose an option of."""
    for entry in yaml.safe_load(yaml.serialize(node)):
        if isinstance(entry, dict):
            for group, option in entry.items():
                name = group.removeprefix("override ").lstrip("/")
                if not name.startswith("hydra"):
                    yield f"{name}=", str(option).replace("'", ""), "chosen here"


if __name__ == "__main__":
    write_text_atomically(PAGE, page())
    print(PAGE)
