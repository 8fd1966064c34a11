"""Shell text: the one place where words become a line that a login shell reads."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from remora.core.errors import Code, UsageProblem

_BARE: Final = re.compile(r"[A-Za-z0-9_./:,+-]+")
_QUOTABLE: Final = re.compile(r"[ -~]*")
_HARD: Final = frozenset("'!\\")
_UNWRAP: Final = """/bin/sh -c 'eval "exec $(printf %b "$0")"' """


def quote_words(words: Sequence[str]) -> str:
    """Write a program and its arguments as one line that any common login shell reads as these words.

    bash, zsh, dash, fish, tcsh, csh and nushell agree on bare words and on text in single quotes, as long as that
    holds no single quote, ``!`` (csh history), backslash (fish) or control character (csh ends a line even inside
    quotes). Words that need more travel as octal escapes to ``/bin/sh``, which becomes the program. The result is
    always one line of ASCII. Raises :class:`UsageProblem` for an empty list and for NUL, which no program can receive.
    """
    if not words or any("\0" in word for word in words):
        raise UsageProblem(
            Code.USAGE,
            "A remote command needs at least one word, and no word may contain a NUL character.",
            next_step="Remove the NUL character from the command or its arguments.",
        )
    if _BARE.fullmatch(words[0]) and all(_is_quotable(word) for word in words):
        return " ".join(word if _BARE.fullmatch(word) else f"'{word}'" for word in words)
    # nushell takes a quoted first word for a value, so that case goes through the unwrapping too.
    return f"{_UNWRAP}'{_escape(shlex.join(words))}'"


def _is_quotable(word: str) -> bool:
    return _QUOTABLE.fullmatch(word) is not None and _HARD.isdisjoint(word)


def _escape(text: str) -> str:
    return "".join(
        character
        if _is_quotable(character)
        else "".join(f"\\0{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in text
    )
