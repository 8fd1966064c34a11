"""Values as they are typed: each is read together with the line, and a wrong one is refused in one sentence."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final, NoReturn, TypeVar

from remora.core.errors import Code, UsageProblem
from remora.core.text import decode, neutralise

T = TypeVar("T")

LONGEST_WAIT: Final = 366 * 24 * 3600
"""Seconds of the longest time limit."""
_LARGEST_PORT: Final = 65535
_MOST: Final = 10_000
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def shown(text: str, *, most: int = 60) -> str:
    """Typed words as a message shows them: bytes that are not UTF-8 as ``\\xNN``, and no more than so many."""
    whole = neutralise(decode(text.encode("utf-8", "surrogateescape")), limit=None, one_line=True)
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def is_text(typed: str) -> bool:
    """Whether its bytes are UTF-8, so that it can be sent and shown."""
    return not any("\ud800" <= character <= "\udfff" for character in typed)


def seconds(option: str) -> Callable[[str], float]:
    """Reads a time limit: no clock could keep nothing, less, or for ever."""
    accepted = f"a number of seconds above 0, up to {LONGEST_WAIT} (a year)"
    return _reader(option, lambda text: _decimal(text, LONGEST_WAIT) or None, accepted, "90")


def score(option: str) -> Callable[[str], float]:
    """Reads a number from 0 to 100."""
    return _reader(option, lambda text: _decimal(text, 100), "a number from 0 to 100", "80")


def port(option: str, *, least: int = 1) -> Callable[[str], int]:
    """Reads a port; where 0 means any, it is the `least`."""
    accepted = f"a port number from {least} to {_LARGEST_PORT}"
    return _reader(option, lambda text: read_port(text, least=least), accepted, "8080")


def read_port(text: str, *, least: int = 1) -> int | None:
    """The port that `text` is; `None` where it is not one."""
    return _whole(text, least, _LARGEST_PORT)


def count(option: str) -> Callable[[str], int]:
    """Reads how many, at least one."""
    return _reader(option, lambda text: _whole(text, 1, _MOST), f"a whole number from 1 to {_MOST}", "4")


def day(option: str) -> Callable[[str], date]:
    """Reads a day that is not over, by this machine's calendar."""

    def read(text: str) -> date:
        try:
            found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            found = None
        if found is None:
            _refuse(text, option, "a day, as year, month and day", "2027-01-31")
        if found < date.today():  # noqa: DTZ011 - as the person wrote it
            raise UsageProblem(
                Code.USAGE,
                f"The day of {option} is in the past: {found}.",
                next_step="Create a secret with a later expiry date.",
            )
        return found

    return read


def one_of(option: str, *words: str) -> dict[str, Any]:
    """Reads one of `words`, and completes them: arguments for ``typer.Option``."""

    def read(text: str) -> str:
        if text not in words:
            _refuse(text, option, f"{', '.join(words[:-1])} or {words[-1]}", words[0])
        return text

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return {"parser": read, "autocompletion": complete}


def local_path(text: str) -> str:
    """Reads the path of something on this machine, whose name may be any bytes."""
    return text


def _reader(option: str, read: Callable[[str], T | None], accepted: str, example: str) -> Callable[[str], T]:
    def take(text: str) -> T:
        found = read(text)
        if found is None:
            _refuse(text, option, accepted, example)
        return found

    return take


def _whole(text: str, least: int, most: int) -> int | None:
    found = int(text) if _WHOLE.fullmatch(text) else None
    return found if found is not None and least <= found <= most else None


def _decimal(text: str, most: float) -> float | None:
    found = float(text) if _DECIMAL.fullmatch(text) else None
    return found if found is not None and found <= most else None


def _refuse(text: str, option: str, accepted: str, example: str) -> NoReturn:
    """Raises :class:`UsageProblem`. An empty value is a variable that was not set."""
    if not text.strip():
        raise UsageProblem(Code.USAGE, f"Empty value for {option}.", next_step=f"Give a value, or omit {option}.")
    raise UsageProblem(
        Code.USAGE,
        f"Invalid value '{shown(text)}' for {option}; use {accepted}.",
        next_step=f"For example: {option} {example}",
    )
