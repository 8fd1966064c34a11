"""Whether values have the shape that types ask for, in words for whoever wrote them."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from math import inf
from typing import Any, Final

from msgspec import inspect

from remora.wire.manifest.problems import Path, Problem, near

_SHOWN: Final = 40


def find_shape_problems(value: object, kind: inspect.Type, path: Path = ()) -> Iterator[Problem]:
    """Everything in `value` that is not as `kind` says, in the order of the file."""
    check = _CHECKS.get(type(kind))
    if check is not None:
        yield from check(value, kind, path)


def _check_table(value: object, kind: inspect.StructType, path: Path) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield _unexpected(value, kind, path)
        return
    known = {field.name: field for field in kind.fields}
    for name, item in value.items():
        if name in known:
            yield from find_shape_problems(item, known[name].type, (*path, name))
        else:
            hint = near(name, known)
            yield Problem((*path, name), f"{name!r} is not a key here; the keys are: {', '.join(known)}.", hint)
    for field in kind.fields:
        if field.required and field.name not in value:
            yield Problem(path, f"{field.name!r} is missing; expected is {_expected(field.type)}.")


def _check_mapping(value: object, kind: inspect.DictType, path: Path) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield _unexpected(value, kind, path)
        return
    for name, item in value.items():
        yield from find_shape_problems(item, kind.value_type, (*path, name))


def _check_list(value: object, kind: inspect.ListType, path: Path) -> Iterator[Problem]:
    if not isinstance(value, list) or len(value) < (kind.min_length or 0):
        yield _unexpected(value, kind, path)
        return
    for number, item in enumerate(value):
        yield from find_shape_problems(item, kind.item_type, (*path, number))


def _check_union(value: object, kind: inspect.UnionType, path: Path) -> Iterator[Problem]:
    choices = _choices(kind)
    if len(choices) == 1:
        yield from find_shape_problems(value, choices[0], path)
    elif all(any(find_shape_problems(value, choice, path)) for choice in choices):
        yield _unexpected(value, kind, path)


def _check_enum(value: object, kind: inspect.EnumType, path: Path) -> Iterator[Problem]:
    words = _words(kind)
    if value not in words:
        yield _unexpected(value, kind, path, near(value, words) if isinstance(value, str) else "")


def _check_text(value: object, kind: inspect.StrType, path: Path) -> Iterator[Problem]:
    fits = isinstance(value, str) and len(value) >= (kind.min_length or 0)
    if not fits or (kind.pattern is not None and not re.fullmatch(kind.pattern, str(value))):
        yield _unexpected(value, kind, path)


def _check_number(value: object, kind: inspect.IntType | inspect.FloatType, path: Path) -> Iterator[Problem]:
    whole = isinstance(kind, inspect.IntType)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not _is_within(value, kind):
        yield _unexpected(value, kind, path)


def _is_within(value: float, kind: inspect.IntType | inspect.FloatType) -> bool:
    above = (kind.ge is None or value >= kind.ge) and (kind.gt is None or value > kind.gt)
    return abs(value) != inf and above and (kind.le is None or value <= kind.le)


def _check_described(value: object, kind: inspect.Metadata, path: Path) -> Iterator[Problem]:
    if any(find_shape_problems(value, kind.type, path)):
        yield _unexpected(value, kind, path)


def _check_simple(value: object, kind: inspect.BoolType | inspect.DateType, path: Path) -> Iterator[Problem]:
    if type(value) is not (bool if isinstance(kind, inspect.BoolType) else date):
        yield _unexpected(value, kind, path)


def _unexpected(value: object, kind: inspect.Type, path: Path, hint: str = "") -> Problem:
    return Problem(path, f"{_shown(value)} does not match; expected is {_expected(kind)}.", hint)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _expected(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        description = str((kind.extra_json_schema or {}).get("description", ""))
        return f"{description[:1].lower()}{description[1:]}".rstrip(".") or _expected(kind.type)
    if isinstance(kind, inspect.UnionType):
        *most, last = [_expected(choice) for choice in _choices(kind)]
        return f"{', '.join(most)} or {last}" if most else last
    if isinstance(kind, inspect.EnumType):
        return f"one of: {', '.join(_words(kind))}"
    if isinstance(kind, inspect.StrType):
        return f"text like {kind.pattern}" if kind.pattern else "text" + " that is not empty" * bool(kind.min_length)
    if isinstance(kind, inspect.ListType):
        return "a list" + " that is not empty" * bool(kind.min_length)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _expected_number(kind)
    return _NAMES[type(kind)]


def _expected_number(kind: inspect.IntType | inspect.FloatType) -> str:
    what = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    most = "" if kind.le is None else f", {kind.le} at most"
    if kind.ge is not None:
        return f"{what} of {kind.ge} or more{most}"
    return f"{what} greater than {kind.gt}{most}" if kind.gt is not None else what


def _choices(kind: inspect.UnionType) -> list[inspect.Type]:
    return [choice for choice in kind.types if not isinstance(choice, inspect.NoneType)]


def _words(kind: inspect.EnumType) -> list[str]:
    return [str(member.value) for member in kind.cls]


_CHECKS: Final[dict[type[inspect.Type], Callable[[object, Any, Path], Iterator[Problem]]]] = {
    inspect.StructType: _check_table,
    inspect.DictType: _check_mapping,
    inspect.ListType: _check_list,
    inspect.UnionType: _check_union,
    inspect.EnumType: _check_enum,
    inspect.StrType: _check_text,
    inspect.IntType: _check_number,
    inspect.FloatType: _check_number,
    inspect.Metadata: _check_described,
    inspect.BoolType: _check_simple,
    inspect.DateType: _check_simple,
}
_NAMES: Final[dict[type[inspect.Type], str]] = {
    inspect.StructType: "a table",
    inspect.DictType: "a table",
    inspect.BoolType: "true or false",
    inspect.DateType: "a date, such as 2027-01-31 without quotes",
}
