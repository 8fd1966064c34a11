"""``{{ name }}`` in the text of a manifest.

Only a name alone between the braces counts: ``{{ .Names }}`` and ``${{ secrets.TOKEN }}`` of other languages stay as
they are, and ``{{{{ name }}}}`` gives ``{{ name }}`` itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from remora.core.errors import Code, UsageProblem
from remora.wire.manifest.problems import Path, Problem, near

VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USE: Final = re.compile(
    rf"\{{\{{\{{\{{\s*(?P<kept>{VARIABLE_NAME.pattern})\s*\}}\}}\}}\}}|\{{\{{\s*(?P<name>{VARIABLE_NAME.pattern})\s*\}}\}}"
)


def read_assignments(words: Iterable[str]) -> dict[str, str]:
    """Variables from words such as ``name=value``. Raises :class:`UsageProblem` for a word that is none."""
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not VARIABLE_NAME.fullmatch(name):
            raise UsageProblem(Code.USAGE, f"{word!r} is not NAME=VALUE.", next_step="Use: --set NAME=VALUE")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UsageProblem(
                Code.USAGE, f"The value of {name!r} is not UTF-8 text.", next_step="Give it as UTF-8: --set NAME=VALUE"
            )
        values[name] = value
    return values


def used_names(value: Any) -> Iterator[str]:
    """The variables that the texts in `value` name."""
    if isinstance(value, str):
        yield from (use["name"] for use in _USE.finditer(value) if use["name"] is not None)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from used_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from used_names(item)


Values = Mapping[str, str | int | float | bool]


def fill(value: Any, variables: Values, path: Path, problems: list[Problem]) -> Any:
    """`value`, written at `path`, with the variables in all its texts filled; tables and lists are made anew.

    A name that is no variable stays as it is, and is one of `problems`.
    """
    if isinstance(value, str):
        return fill_text(value, variables, path, problems)
    if isinstance(value, Mapping):
        return {key: fill(item, variables, (*path, key), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables, (*path, number), problems) for number, item in enumerate(value)]
    return value


def fill_text(text: str, variables: Values, path: Path, problems: list[Problem]) -> str:
    """One text; see :func:`fill`."""

    def put(use: re.Match[str]) -> str:
        if use["kept"] is not None:
            return f"{{{{ {use['kept']} }}}}"
        name = use["name"]
        if name not in variables:
            message = f"{{{{ {name} }}}} is not a variable here; the variables are: {', '.join(sorted(variables))}."
            escape = f"To write the text itself, use {{{{{{{{ {name} }}}}}}}}"
            problems.append(Problem(path, message, near(name, variables) or escape))
            return use[0]
        value = variables[name]
        return str(value).lower() if isinstance(value, bool) else str(value)

    return _USE.sub(put, text)
