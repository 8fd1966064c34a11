"""What the app server may use: the wish, what the kernel enforces, and how the two differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from remora.core.errors import Code
from remora.core.server.answers import Answers, whole_number

_UNITS: Final = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_PAGE: Final = 65536
"""The kernel rounds memory to pages; none is larger."""
_OUTDATED: Final = "it was started with other limits"
_HELPLESS: Final = "this host does not support it"
_UNKNOWN: Final = "another program started it, or this host does not support it"
START_ANEW: Final = (
    "restart it when it is idle: remora connect ALIAS, then remora disconnect ALIAS --stop-server, then connect or "
    "run again."
)
"""How a running server gets what holds from its next start on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """`memory` in bytes, `cpu` in hundredths of a core, `processes` as their number; `None`: no limit."""

    memory: int | None = None
    cpu: int | None = None
    processes: int | None = None

    def text(self) -> str:
        """The lines of the limits file; nothing when there is no limit."""
        values = {"memory": self.memory, "cpu": self.cpu, "processes": self.processes}
        return "".join(f"{name}={value}\n" for name, value in values.items() if value is not None)

    def describe(self) -> str:
        """For people."""
        parts = [f"{self.memory / _UNITS['MiB']:g} MiB of memory"] if self.memory is not None else []
        parts += [f"{self.cpu / 100:g} {'core' if self.cpu == 100 else 'cores'}"] if self.cpu is not None else []
        parts += [f"{self.processes} processes and threads"] if self.processes is not None else []
        return ", ".join(parts) or "no limits"


def make_limits(memory: str | None, cpu: float | None, processes: int | None) -> ServerLimits:
    """The limits of a manifest's ``[server]`` table; `memory` as in ``512MiB``."""
    amount = int(memory[:-3]) * _UNITS[memory[-3:]] if memory is not None else None
    return ServerLimits(memory=amount, cpu=max(round(cpu * 100), 1) if cpu is not None else None, processes=processes)


def read_limits(text: str) -> ServerLimits:
    """The limits of a limits file; what is no number there is no limit."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    number = {name: whole_number(value) for name, value in values.items()}
    return ServerLimits(memory=number.get("memory"), cpu=number.get("cpu"), processes=number.get("processes"))


def enforcement_notices(wish: ServerLimits, answers: Answers) -> tuple[str, ...]:
    """What of `wish` the running server does not really keep, or keeps in a weaker way, by the kernel's own word.

    ``then`` are the limits it was started with, where it tells: whoever wishes others has to start it anew.
    """
    then = answers.one("then")
    outdated = then is not None and _read_words(then) != wish
    reason = _OUTDATED if outdated else (_HELPLESS if then is not None else _UNKNOWN)
    notices = [f"{Code.LIMIT_UNENFORCED.value}: {notice}" for notice in _differences(wish, answers, reason)]
    if outdated:
        notices.append(
            f"The running app server keeps its old limits ({_read_words(then or '').describe()}) "
            f"instead of the new ones ({wish.describe()}). It was not restarted, because that ends turns; {START_ANEW}"
        )
    return tuple(notices)


def _differences(wish: ServerLimits, answers: Answers, reason: str) -> Iterator[str]:
    memory, cpu, processes = (_least(answers, f"limit.{name}") for name in ("memory", "cpu", "processes"))
    if wish.memory is not None and not _keeps(memory, wish.memory + _PAGE):
        if _keeps(_least(answers, "each.memory"), wish.memory + _PAGE):
            yield "memory is limited for each process, not for the app server as a whole"
        else:
            yield f"the running app server does not have this memory limit ({reason})"
    if wish.cpu is not None and not _keeps(cpu, wish.cpu):
        yield f"the running app server does not have this cpu limit ({reason})"
    if wish.processes is not None and not _keeps(processes, wish.processes):
        if _keeps(_least(answers, "account.processes"), wish.processes) and answers.one("root") != "1":
            yield "processes are counted for the whole account, not for the app server alone"
        else:
            yield f"the running app server does not have this process limit ({reason})"


def _read_words(words: str) -> ServerLimits:
    return read_limits(words.replace(" ", "\n"))


def _keeps(value: int | None, most: int) -> bool:
    return value is not None and value <= most


def _least(answers: Answers, key: str) -> int | None:
    """The kernel says `unlimited` or nothing where there is no limit."""
    numbers = (whole_number(value) for value in answers.all(key))
    return min((number for number in numbers if number is not None), default=None)
