"""Write the tables of docs/settings.md from src/remora/core/settings.py: `python -m scripts.settings_page`."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from remora.core import settings
from remora.core.settings import DEFAULT_LIMITS, HostSettings, Settings

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
_UNITS: Final = {
    "Seconds": "seconds",
    "Bytes": "bytes",
    "Count": "number",
    "PerSecond": "per second",
    "PerMinute": "per minute",
}
_SIZES: Final = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "bytes"))
_TABLE: Final = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a class of settings."""

    name: str
    annotation: str
    default: Any
    effect: str


def page(text: str) -> str:
    """The page with its tables as the code has them."""
    tables = _tables()
    return _TABLE.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[3]}", text)


def _tables() -> dict[str, str]:
    short_way = [one for one in _settings("Settings", Settings()) if one.name == "short_way"]
    host = [one for one in _settings("HostSettings", HostSettings()) if one.name != "short_way"]
    return {
        "limits": _table(("name", "default", "unit", "effect"), map(_limit, _settings("Limits", DEFAULT_LIMITS))),
        "hosts": _table(("name", "default", "values", "effect"), map(_choice, host)),
        "ssh": _table(("name", "default", "values", "effect"), map(_choice, short_way)),
    }


def _settings(name: str, defaults: object) -> Iterator[Setting]:
    """The fields of a class in their order, each with the docstring below it."""
    tree = ast.parse(Path(settings.__file__).read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    for node, below in pairwise(body):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            effect = " ".join(str(below.value.value).split())
            yield Setting(node.target.id, ast.unparse(node.annotation), getattr(defaults, node.target.id), effect)


def _limit(one: Setting) -> tuple[str, ...]:
    return f"`{one.name}`", _with_a_larger_unit(one), _UNITS[one.annotation], one.effect


def _with_a_larger_unit(one: Setting) -> str:
    plain = f"{one.default:g}" if isinstance(one.default, float) else str(one.default)
    match one.annotation:
        case "Bytes":
            size, unit = next((size, unit) for size, unit in _SIZES if one.default % size == 0)
            return f"{plain} ({one.default // size} {unit})"
        case "Seconds" if one.default >= 24 * 3600:
            return f"{plain} ({one.default / (24 * 3600):g} days)"
        case _:
            return plain


def _choice(one: Setting) -> tuple[str, ...]:
    match one.default:
        case bool():
            default, values = f"`{str(one.default).lower()}`", "`true`, `false`"
        case StrEnum():
            default, values = f"`{one.default}`", ", ".join(f"`{value}`" for value in type(one.default))
        case tuple():
            default, values = "none", "list of texts"
        case _:
            default, values = "none", "text"
    return f"`{one.name}`", default, values, one.effect


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
