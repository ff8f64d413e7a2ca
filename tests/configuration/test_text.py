from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from ganlab.configuration.text import as_choices, as_typed, is_text, quoted, unquoted
from ganlab.errors import UserError

NUMBERS = ["2.50", "1999_12_31", "3e8", "0x1F", "0012", "12_000", "inf", "nan", "True", "NULL", ".5", "+4", "-1"]
SIGNS = [
    "(old) pics",
    "été 1998",
    "собаки",
    "[b",
    "{c}",
    "a#1",
    "this & that",
    "x;y",
    "wow!",
    "<in>",
    "2^3",
    "a,b",
    "%d",
]
SIGNS += [
    "it's",
    'say "hi"',
    " lead",
    "trail ",
    "end/",
    "k=v=w",
    "$5",
    "${HOME}",
    "a${b",
    "back\\slash",
    "end\\",
    "\udcff",
]
SIGNS += ["don\\'t", "a\\${b}", "two\nlines", "*?@|:", "'half", "~~"]


def through_hydra(key: str, value: str, *, sweep: bool = False) -> Any:
    """What a key holds after Hydra and OmegaConf have read what was typed; a list for the jobs of a sweep."""
    override = OverridesParser.create().parse_override(f"{key}={as_typed(key, value, sweep=sweep)}")
    if override.is_sweep_override():
        return [through_hydra(key, each) for each in override.sweep_string_iterator()]
    config = OmegaConf.create()
    OmegaConf.update(config, "held", override.value())
    return OmegaConf.to_container(config, resolve=True)["held"]  # type: ignore[index,call-overload]


@pytest.mark.parametrize("typed", NUMBERS + SIGNS)
def test_names_and_paths_are_what_was_typed(typed: str) -> None:
    for key in ("run", "name"):
        assert through_hydra(key, typed) == typed
    if not typed.startswith("~"):
        for key in ("outputs", "data.root", "checkpoint", "features.weights", "data.source.a.root", "data.file"):
            if typed != "NULL":
                assert through_hydra(key, typed) == typed
    assert through_hydra("name", typed, sweep=True) == typed  # one name for the whole sweep
    if "," not in typed and typed == typed.strip() and not typed.startswith(("~", "'")):
        assert through_hydra("data.root", f"{typed},other", sweep=True) == [typed, "other"]
    assert unquoted(quoted(typed)) == typed and quoted(unquoted(quoted(typed))) == quoted(typed)


def test_null_is_text_where_there_is_no_default_without_a_value() -> None:
    assert through_hydra("run", "null") == through_hydra("data.root", "null") == "null"
    assert through_hydra("checkpoint", "null") is None and through_hydra("output", "null") is None
    assert through_hydra("output", "'null'") == "null"
    with pytest.raises(UserError, match="^checkpoint= is empty: type a path behind it$"):
        as_typed("checkpoint", "", sweep=False)


def test_the_home_folder_is_meant_in_quotes_lists_and_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/some one")
    for typed in ("~/runs", "'~/runs'", '"~/runs"'):
        for key in ("outputs", "packs", "pick", "exemplars", "real", "data.root"):
            assert through_hydra(key, typed) == "/home/some one/runs"
    assert through_hydra("checkpoint", "[~/a,'~/b, c']") == ["/home/some one/a", "/home/some one/b, c"]
    assert through_hydra("data.root", "~/a,~", sweep=True) == ["/home/some one/a", "/home/some one"]
    assert through_hydra("run", "~x") == "~x"  # a name, not a path
    with pytest.raises(UserError, match=r"^outputs=~nobody_here/x: ~nobody_here is no user's home .* type \./~nobody"):
        as_typed("outputs", "~nobody_here/x", sweep=False)


def test_commas_separate_in_sweeps_except_within_quotes_and_existing_names(tmp_path: Path) -> None:
    assert through_hydra("data.root", "'a, b',c d", sweep=True) == ["a, b", "c d"]
    assert through_hydra("data.root", "a=1,b=2", sweep=True) == ["a=1", "b=2"]
    assert through_hydra("data.root", "choice(a,b)", sweep=True) == ["a", "b"]
    assert through_hydra("features.weights", "null,1.0", sweep=True) == [None, "1.0"]
    assert through_hydra("outputs", "'a','b'", sweep=True) == ["a", "b"]  # refused by the launcher
    (tmp_path / "cats,dogs").mkdir()
    assert through_hydra("data.root", f"{tmp_path}/cats,dogs", sweep=True) == f"{tmp_path}/cats,dogs"


@pytest.mark.parametrize(
    ("typed", "passed"),
    [("false", "'false'"), ("4", "'4'"), ("fid", "fid"), ("[fid,1]", "[fid,'1']"), ("r1,off", "r1,off"), ("[]", "[]")],
)
def test_options_of_a_group_are_words(typed: str, passed: str) -> None:
    assert as_choices(typed) == passed
    assert as_choices("[fid,kid],[swd]") == "[fid,kid],[swd]" and as_choices("choice(a,b)") == "choice(a,b)"


def test_intervals_and_sizes_are_no_text() -> None:
    for key in ("every.checkpoint", "data.image_size", "metrics.best", "data.classes", "runs", "optimizer.lr"):
        assert not is_text(key)
