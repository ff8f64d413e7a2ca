"""Limits of arguments, as annotations: ``width: Count`` in a constructor that is `checked`.

`ganlab.configuration.checking` reads the same signatures, before anything is read or built.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Within:
    """Limits of a number, itself finite; ``above`` excludes ``least``."""

    least: float = -inf
    most: float = inf
    above: bool = False

    def __contains__(self, value: Any) -> bool:
        return self.least <= value <= self.most and abs(value) < inf and not (self.above and value == self.least)

    def __str__(self) -> str:
        if self.most < inf:
            return f" {'above' if self.above else 'from'} {self.least:g} {'up ' * self.above}to {self.most:g}"
        return "" if self.least == -inf else f" {'above' if self.above else 'of at least'} {self.least:g}"


Natural = Annotated[int, Within(0)]
Count = Annotated[int, Within(1)]
Several = Annotated[int, Within(2)]
NonNegative = Annotated[float, Within(0)]
Positive = Annotated[float, Within(0, above=True)]
Share = Annotated[float, Within(0, 1)]
Scale = Annotated[float, Within(0, 1_000)]  # of what layers multiply, whose products must stay finite
Few = Annotated[int, Within(0, 1_000)]  # of what is made one by one, such as layers and processes
Repeats = Annotated[int, Within(1, 10_000)]


def checked(owner: T) -> T:
    """Decorate a class or function to raise a one-line ValueError for a value that its annotation excludes."""
    if isinstance(owner, type):
        constructed: Any = owner
        constructed.__init__ = checked(constructed.__init__)
        return owner
    signature = inspect.signature(owner)

    @functools.wraps(owner)
    def call(*args: Any, **kwargs: Any) -> Any:
        values = signature.bind(*args, **kwargs).arguments
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                values |= values.pop(parameter.name, {})
        for name, requirement in refused(owner, values).items():
            raise ValueError(f"{name}={shown(values[name])} must be {requirement}")
        return owner(*args, **kwargs)

    return call  # type: ignore[return-value]


def refused(owner: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the requirement of each named value that ``owner``, a class or function, refuses."""
    kinds = annotations(owner)
    found = {name: unmet(kinds[name], value) for name, value in values.items() if name in kinds}
    return {name: requirement for name, requirement in found.items() if requirement}


@functools.cache
def annotations(owner: Any) -> Mapping[str, Any]:
    """Return the annotations of the parameters of a class or function, limits included."""
    return get_type_hints(owner.__init__ if inspect.isclass(owner) else owner, include_extras=True)


def unmet(kind: Any, value: Any) -> str:
    """Return what a value must be by its annotation; empty if it is, or if the annotation sets no limit."""
    members = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        wants = [unmet(member, value) for member in members if member is not NoneType]
        return "" if "" in wants or (value is None and NoneType in members) else ", ".join(wants)
    if get_origin(kind) is Literal:
        known = any(value == member and type(value) is type(member) for member in members)
        return "" if known else " or ".join(map(str, members))
    if get_origin(kind) in (list, Sequence):
        wants = [unmet(members[0], each) for each in value] if isinstance(value, (list, tuple)) else ["a list"]
        return next((f"a list, each {want}" if want != "a list" else want for want in wants if want), "")
    kind, limits = members if get_origin(kind) is Annotated else (kind, Within())
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind in (int, float):
        number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
        if number and (kind is int or isinstance(value, Integral)) and abs(value) >= 2**63:
            return "below 2**63"
        return "" if number and value in limits else f"a {'whole ' if kind is int else ''}number{limits}"
    if kind is str:
        return "" if isinstance(value, (str, PurePath)) else "text"
    made = get_origin(kind) or kind
    if made is Any or not isinstance(made, type) or not isinstance(value, (bool, int, float, str, list)):
        return ""
    if made is tuple:
        return "" if isinstance(value, list) else "a list"
    if not getattr(made, "_is_protocol", False) and isinstance(value, made):
        return ""
    return "keys and values" if issubclass(made, Mapping) else f"a {made.__name__}"


def shown(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    return {None: "null", True: "true", False: "false"}[value] if isinstance(value, (bool, NoneType)) else str(value)
