"""Programs without what only people read: for places where each byte counts."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

_QUOTES: Final = ("'", '"')
_HERE: Final = re.compile(r"<<['\"]?(\w+)")


@cache
def compact_shell(text: str) -> str:
    """One of our shell scripts without comments, blank lines and indentation; text in quotes stays as it is."""
    within: list[str] = []
    kept = []
    document: str | None = None
    for line in text.splitlines():
        quoted = _is_quoted(within)
        if document is not None:
            document = None if line == document else document
            kept.append(line)
            continue
        code = _code(line, within)
        code = code if quoted else code.lstrip()
        code = code if _is_quoted(within) else code.rstrip(" \t")
        if code or quoted:
            kept.append(code)
        if (here := _HERE.search(code)) and not within:
            document = here[1]
    return "".join(f"{line}\n" for line in kept)


def _is_quoted(within: list[str]) -> bool:
    return bool(within) and within[-1] in _QUOTES


def _code(line: str, within: list[str]) -> str:
    """`line` up to its comment. `within` is what is open: quotes, and in double ones a command, as ``(``."""
    skip = False
    for at, character in enumerate(line):
        inner = within[-1] if within else ""
        if skip:
            skip = False
        elif character == "\\" and inner != "'":
            skip = True
        elif inner in _QUOTES and character == inner:
            within.pop()
        elif inner == '"':
            if character == "(" and line[at - 1 : at] == "$":
                within.append("(")
        elif inner != "'" and _open(character, within):
            pass
        elif not inner and character == "#" and (not at or line[at - 1] in " \t;"):
            return line[:at]
    return line


def _open(character: str, within: list[str]) -> bool:
    """Take a character of commands that opens or closes something; whether it did."""
    if character in _QUOTES or (character == "(" and within):
        within.append(character)
        return True
    if character == ")" and within:
        within.pop()
        return True
    return False


@cache
def compact_python(text: str) -> str:
    """A Python program without comments, docstrings and blank lines. What it does is the same, which is proven."""
    tree = ast.parse(text)
    idle = {line for node in _docstrings(tree) for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = [
        line
        for number, line in enumerate(text.splitlines(), 1)
        if number not in idle and line.strip() and not line.lstrip().startswith("#")
    ]
    short = "".join(f"{' ' * ((len(line) - len(line.lstrip(' '))) // 4)}{line.lstrip(' ')}\n" for line in lines)
    if ast.dump(ast.parse(short)) != ast.dump(tree):
        raise ValueError("the program means something else without its comments")
    return short


def _docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    """Each is taken out of `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and len(node.body) > 1:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
                yield first
