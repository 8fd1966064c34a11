"""What a host allows an account, as our scripts tell it when something could not be started."""

from typing import Final

from remora.core.server.answers import Answers

_BOUNDLESS: Final = 2**50
"""Old groups without a limit name a number beyond any machine."""
_MEGABYTE: Final = 2**20


def most_processes(answers: Answers) -> int | None:
    """How many processes, threads included; `None` when nothing is known to bound them."""
    return _smallest(answers.all("limit.processes"))


def most_memory(answers: Answers) -> str | None:
    """How much memory, in words; `None` when nothing is known to bound it."""
    found = _smallest(answers.all("limit.memory"))
    return None if found is None else f"{found / _MEGABYTE:g} MB"


def _smallest(said: tuple[str, ...]) -> int | None:
    numbers = [int(word) for word in said if word.isascii() and word.isdigit() and len(word) < 20]
    return min((number for number in numbers if number < _BOUNDLESS), default=None)
