"""What is wrong in a manifest, and where, as its author wrote it."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from math import inf
from typing import Final, NamedTuple

from remora.core.errors import Code, ConfigProblem
from remora.wire.manifest.toml_lines import find_line

Path = tuple[str | int, ...]
"""Keys, and numbers of list items counted from 0."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN: Final = 10
_HELP: Final = "See a complete manifest with: remora provision --example"


class Problem(NamedTuple):
    """One thing that cannot be used. `hint` is what its author can do, where that is known."""

    path: Path
    message: str
    hint: str = ""


def show_path(path: Path) -> str:
    """``hosts[1].codex.version``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
            text += f".{key}" if text else key
    return text


def near(word: str, known: Iterable[str]) -> str:
    """``Did you mean …?`` when something known looks like `word`, else nothing."""
    found = get_close_matches(word, list(known), n=3, cutoff=0.55)
    return f"Did you mean {' or '.join(found)}?" if found else ""


def manifest_error(problems: Sequence[Problem], *, file: str, text: str = "") -> ConfigProblem:
    """All of them as one failure: the first in the sentence, the others below. `text` is what lines are counted in."""
    first, *others = sorted(dict.fromkeys(problems), key=lambda problem: find_line(text, problem.path) or inf)
    if not others:
        return ConfigProblem(Code.MANIFEST_INVALID, _sentence(first, file, text), next_step=first.hint or _HELP)
    message, *more = (f"{_sentence(problem, file, text)} {problem.hint}".rstrip() for problem in (first, *others))
    if len(others) > _SHOWN:
        more[_SHOWN:] = [f"and {len(others) - _SHOWN} more"]
    return ConfigProblem(Code.MANIFEST_INVALID, message, seen="\n".join(more), next_step=f"Correct them all. {_HELP}")


def _sentence(problem: Problem, file: str, text: str) -> str:
    line = find_line(text, problem.path)
    place = f"{file}:{line}" if line else file
    shown = show_path(problem.path)
    return f"{place}: {shown}: {problem.message}" if shown else f"{place}: {problem.message}"
