"""Commands that are printed to be pasted: into any shell, from any working folder."""

import os
import shlex
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def command(name: str, *given: str, **values: object) -> str:
    """Return ``python src/<name>.py`` with overrides, quoted for a shell; a value that is a ``Path`` is `placed`.

    Paths are absolute, except for a user who is in the project's own folder.
    """
    overrides = [f"{key}={placed(value) if isinstance(value, Path) else value}" for key, value in values.items()]
    return shlex.join([_python(), str(placed(_home() / "src" / f"{name}.py")), *given, *overrides])


def placed(path: Path) -> Path:
    """Return an absolute path, or one as it is in the project's own folder."""
    return path if _home() == Path() else Path(os.path.abspath(path))


def _home() -> Path:
    return Path() if Path.cwd() == ROOT else ROOT


def _python() -> str:
    """Return ``python`` where it is the one that runs now, else its path."""
    found = shutil.which("python")
    if found and os.path.dirname(os.path.abspath(found)) == os.path.dirname(sys.executable):
        return "python"
    return os.path.relpath(sys.executable) if Path.cwd() in Path(sys.executable).parents else sys.executable
