import ast
from pathlib import Path

import ganlab.data

DATA = Path(ganlab.data.__file__).parent


def imported(package: Path) -> set[str]:
    """Packages of `ganlab.data` whose modules a package imports, other than itself."""
    found = set()
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganlab.data"):
                assert (DATA.parents[1] / Path(*str(node.module).split("."))).with_suffix(".py").is_file(), (
                    f"{path}: import names from modules, not from the package {node.module}"
                )
                found.add(str(node.module).rpartition(".")[0])
    return {name.removeprefix("ganlab.data").strip(".") for name in found} - {
        "" if package == DATA else package.name,
    }


def test_packages_import_one_way():
    assert {package.name: imported(package) for package in DATA.iterdir() if (package / "__init__.py").is_file()} == {
        "packs": set(),
        "deduplication": {"packs"},
        "drawn": {"packs"},
        "fetching": {"packs"},
        "sources": {"fetching", "packs"},
    }
    assert imported(DATA) == {"deduplication", "packs"}
