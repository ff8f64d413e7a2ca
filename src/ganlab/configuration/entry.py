"""Entry points: a Hydra application whose errors are one line each.

Nothing heavy is imported here: ``--help``, ``--cfg job`` and a mistyped key answer at once.
"""

import sys

INTERRUPTED = "\ninterrupted" if sys.stderr and sys.stderr.isatty() else "interrupted"  # there, ^C stands before it

try:
    import codecs
    import errno
    import functools
    import os
    import signal
    from collections.abc import Callable, Iterator
    from contextlib import contextmanager, suppress
    from datetime import datetime
    from io import TextIOWrapper
    from typing import Any

    import hydra
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.object_type import ObjectType
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from ganlab.configuration import CONF
    from ganlab.configuration.command_line import check_overrides, check_reached, explain
    from ganlab.configuration.continuing import add_recorded
    from ganlab.configuration.recipes import add_recipe, expand_variants, variants_of
    from ganlab.errors import UserError, causes_of, one_line, out_of_memory
    from ganlab.runs.console import console
    from ganlab.runs.peers import first_is_silent, follow_parent
    from ganlab.runs.ranks import rank, started_from_outside
except KeyboardInterrupt:
    print(INTERRUPTED, file=sys.stderr)
    sys.exit(130)

__all__ = ["DictConfig", "entry_point"]

MISTAKES = (UserError, OSError, HydraException, OmegaConfBaseException)
FIXES = {  # of what the operating system refuses
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room, and give the same command again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions, or type another place"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR), "move what stands there, or type another place"),
    errno.ENAMETOOLONG: "type a shorter name",
    errno.EMFILE: "raise the limit by ulimit -n",
}
LESS_MEMORY = {
    "train": "a smaller data.batch_size=, a larger accumulate=, or trainer.precision=bf16-mixed",
    "evaluate": "a smaller batch_size=",
    "prepare": "a smaller data.workers=",
    "reproduce": "a smaller classifier.batch_size=",
    "sample": "a smaller count=",
    "translate": "tile=256, or a smaller one",
}


def entry_point(name: str) -> Callable[[Callable[[DictConfig], object]], Callable[[], None]]:
    """Make a function of a configuration the application of ``conf/<name>.yaml``.

    A `UserError`, an error of the operating system, or one of Hydra about a key or a value, is printed as one line and
    ends the process with exit code 1, Ctrl-C with 130. ``HYDRA_FULL_ERROR=1`` shows the traceback instead.
    """

    def decorate(task: Callable[[DictConfig], object]) -> Callable[[], None]:
        def application(signals: list[int]) -> None:
            # One name for the run, which the processes of a distributed strategy inherit.
            named = "GANLAB_RUN" in os.environ
            os.environ.setdefault("GANLAB_RUN", datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")[:-3])
            first = rank() == 0
            show_frames = os.environ.get("HYDRA_FULL_ERROR") == "1" and first
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
            try:
                follow_parent()
                sys.argv[1:] = check_overrides(sys.argv[1:], CONF, name)
                if name == "train":
                    sys.argv[1:], own = add_recorded(sys.argv[1:])
                    sys.argv[1:], remark = add_recipe(sys.argv[1:], CONF)
                    sys.argv[1:] = expand_variants(sys.argv[1:], variants_of(sys.argv[1:], CONF))
                    flags = {argument for argument in sys.argv[1:] if argument.startswith("-")}
                    if (own or remark) and first and flags <= {"-m", "--multirun"}:  # the output of --cfg is YAML
                        print(own or remark, flush=True)
                if started_from_outside() and not named and "run=" not in " ".join(sys.argv):
                    raise UserError("several processes were started from outside: type run=NAME, the same for all")
                if {"--help", "-h"} & set(sys.argv):
                    list_groups_at_once()
                errors: list[Exception] = []

                @functools.wraps(task)
                def guarded(config: DictConfig) -> object:
                    try:
                        check_reached(config, HydraConfig.get().overrides.task)
                        return task(config)
                    except Exception as error:  # Hydra would print a line of its own before ours
                        errors.append(error)
                        return None

                hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(guarded)()
                if errors:
                    raise errors[0]
            except BaseException as error:
                open_ended = not isinstance(error, SystemExit) or error.code == 1  # Lightning's code after Ctrl-C
                # Imports of compiled modules, and Lightning, replace KeyboardInterrupt.
                causes = any(isinstance(each, KeyboardInterrupt) for each in causes_of(error))
                interrupted = open_ended and (causes or bool(signals))
                if show_frames or not (interrupted or isinstance(error, MISTAKES) or out_of_memory(error)):
                    raise
                if first or first_is_silent(error):
                    line = INTERRUPTED if interrupted else f"error: {message(error, name)}"
                    with suppress(OSError):  # a terminal that is gone
                        print(line, file=sys.stderr, flush=True)
                sys.exit(130 if interrupted else 1)
            finally:
                os.environ["HYDRA_FULL_ERROR"] = "1" if show_frames else "0"
                if not named:
                    del os.environ["GANLAB_RUN"]

        @functools.wraps(task)
        def attended() -> None:
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, TextIOWrapper):
                    stream.reconfigure(errors=PRINTABLE)
            with console(), noted_interrupts() as signals:
                application(signals)

        return attended

    return decorate


@contextmanager
def noted_interrupts() -> Iterator[list[int]]:
    """Note Ctrl-C while its handler is Python's: a module whose import it ended may raise another error later."""
    noted: list[int] = []

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with suppress(ValueError):  # in another thread than the main one
            signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def printable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Print names of files in another encoding as their bytes, and characters that a stream cannot show as escapes."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


PRINTABLE = "ganlab.printable"
codecs.register_error(PRINTABLE, printable)


def message(error: BaseException, name: str) -> str:
    """Return what to print of a user's mistake, on one line."""
    if isinstance(error, UserError):
        return str(error)
    if out_of_memory(error):
        reason = one_line(str(error).strip().partition("\n")[0][:160])
        return f"out of memory ({reason}): type {LESS_MEMORY[name]}"
    if isinstance(error, OSError) and not isinstance(error, HydraException):  # a missing option is both
        reason = error.strerror or str(error) or type(error).__name__
        fix = FIXES.get(error.errno or 0)
        return one_line(": ".join(str(part) for part in (error.filename, reason, fix) if part))
    return explain(error, CONF, name, sys.argv[1:])


def list_groups_at_once() -> None:
    """Let Hydra list its groups without copying all sources for each, which takes most of the time of ``--help``.

    Hydra has no public way to list groups faster; tests/configuration/test_entry.py watches the private one.
    """
    original = ConfigLoaderImpl.get_group_options

    def options(self: Any, group_name: str, results_filter: Any = ObjectType.CONFIG, *more: Any, **named: Any) -> Any:
        if more or named:
            return original(self, group_name, results_filter, *more, **named)
        return self.repository.get_group_options(group_name, results_filter)

    ConfigLoaderImpl.get_group_options = options  # type: ignore[method-assign]
