"""``{{ name }}`` in the text of a manifest.

Only a name alone between the braces counts: ``{{ .Names }}`` and ``${{ secrets.TOKEN }}`` of other languages stay as
they are, and ``{{{{ name }}}}`` gives ``{{ name }}`` itself.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from remora.core.errors import Code, UsageProblem
from remora.wire.manifest_problems import Path, Problem, ProblemFound, near

VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USE: Final = re.compile(
    rf"\{{\{{\{{\{{\s*(?P<kept>{VARIABLE_NAME.pattern})\s*\}}\}}\}}\}}|\{{\{{\s*(?P<name>{VARIABLE_NAME.pattern})\s*\}}\}}"
)


def read_assignments(words: Iterable[str], *, text: str) -> dict[str, str]:
    """Variables from words such as ``name=value``, for the manifest `text`.

    Raises :class:`UsageProblem` for a word without a name, and for a name that the manifest does not mention.
    """
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not VARIABLE_NAME.fullmatch(name):
            raise UsageProblem(Code.USAGE, f"{word!r} is not NAME=VALUE.", next_step="Use: --set NAME=VALUE")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UsageProblem(
                Code.USAGE, f"The value of {name!r} is not UTF-8 text.", next_step="Give it as UTF-8: --set NAME=VALUE"
            )
        if not re.search(rf"\b{name}\b", text):
            words_known = set(VARIABLE_NAME.findall(text))
            next_step = near(name, words_known) or "Use the name of a variable, as in {{ name }}."
            raise UsageProblem(Code.USAGE, f"The manifest has no variable {name!r}.", next_step=next_step)
        values[name] = value
    return values


Values = Mapping[str, str | int | float | bool]


def fill(value: Any, variables: Values, path: Path = ()) -> Any:
    """`value` with the variables in all its texts filled; tables and lists are made anew.

    Raises :class:`ProblemFound` for a name that is no variable.
    """
    if isinstance(value, str):
        return fill_text(value, variables, path)
    if isinstance(value, Mapping):
        return {key: fill(item, variables, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables, (*path, number)) for number, item in enumerate(value)]
    return value


def fill_text(text: str, variables: Values, path: Path) -> str:
    """One text; raises as :func:`fill`."""

    def put(use: re.Match[str]) -> str:
        if use["kept"] is not None:
            return f"{{{{ {use['kept']} }}}}"
        name = use["name"]
        if name not in variables:
            message = f"{{{{ {name} }}}} is no variable here; there are: {', '.join(sorted(variables))}."
            escape = f"For the text itself write {{{{{{{{ {name} }}}}}}}}"
            raise ProblemFound(Problem(path, message, near(name, variables) or escape))
        value = variables[name]
        return str(value).lower() if isinstance(value, bool) else str(value)

    return _USE.sub(put, text)
