"""What is left on a host of a turn that was stopped, as looks at its processes tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remora.core.errors import Code, RemoraError, TaskFailed

_NAMED: Final = 20
"""Processes that an error names; the rest is counted."""
_PROCESS_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A process on the host. `parent` is 0 where nobody asked for it."""

    pid: int
    parent: int
    command: str


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a host's processes.

    With `marked` all of `processes` carry the mark of the thread; without it they are all processes of the machine, and
    `server` is the app server among them, `own` the process that looked.
    """

    server: int
    own: int
    marked: bool
    processes: Mapping[int, HostProcess]

    def below_server(self) -> Iterator[HostProcess]:
        """What descends from the app server, without the look itself."""
        for process in self.processes.values():
            line = list(self._line(process))
            if self.server in line and self.own not in line and process.pid != self.own:
                yield process

    def _line(self, process: HostProcess) -> Iterator[int]:
        seen: set[int] = set()
        while process.parent not in seen:
            seen.add(process.parent)
            yield process.parent
            above = self.processes.get(process.parent)
            if above is None:
                return
            process = above


@dataclass(frozen=True, slots=True)
class Remains:
    """What stopping a turn came to.

    `idle`: the server says that the thread and its sub-agents do nothing. `looked`: the host's processes could be seen;
    `left` are those of the thread. `goal_paused`: the thread had a goal, which would have started the next turn.
    """

    idle: bool = False
    looked: bool = False
    left: tuple[HostProcess, ...] = ()
    goal_paused: bool = False

    @property
    def nothing(self) -> bool:
        """Whether it is proven that nothing of the turn goes on."""
        return self.idle and self.looked and not self.left


def read_look(text: str) -> Look | None:
    """Read what ``remains.sh`` has written; `None` when it did not come to its end, or could see nothing."""
    server = own = 0
    marked = False
    processes: dict[int, HostProcess] = {}
    lines = text.splitlines()
    for line in lines:
        words = line.split(maxsplit=_PROCESS_WORDS - 1)
        match words:
            case ["server", pid] if pid.isdecimal():
                server = int(pid)
            case ["self", pid] if pid.isdecimal():
                own = int(pid)
            case ["environ"]:
                marked = True
            case ["process", pid, parent, command] if pid.isdecimal() and parent.isdecimal():
                processes[int(pid)] = HostProcess(int(pid), int(parent), command)
    complete = bool(lines) and lines[-1] == "end" and server > 0
    return Look(server, own, marked, processes) if complete and (marked or processes) else None


def left_between(before: Look | None, after: Look) -> tuple[HostProcess, ...] | None:
    """What of the thread is left `after` its commands were ended; `None` when the two looks cannot tell.

    Without marks a process is left when it descended from the app server `before` and has another parent now.
    """
    if after.marked:
        return tuple(after.processes.values())
    if before is None:
        return None
    still_below = {process.pid for process in after.below_server()}
    return tuple(
        process
        for process in before.below_server()
        if process.pid not in still_below
        and (now := after.processes.get(process.pid)) is not None
        and now.command == process.command
    )


def turn_left(alias: str, thread_id: str) -> RemoraError:
    """The turn was not waited for: its end is not known."""
    return TaskFailed(
        Code.STOP_UNPROVEN,
        f"The turn may still be running on {alias}.",
        next_step=f"Stop it with: {_again(alias, thread_id)}",
        host=alias,
    )


def turn_elsewhere(alias: str, thread_id: str) -> RemoraError:
    """The turn was not waited for, and the alias leads to another machine now."""
    return TaskFailed(
        Code.STOP_UNPROVEN,
        f"The turn may still be running on the machine that {alias} led to before.",
        next_step="Give that machine a name of its own in the SSH configuration, and stop the turn with: "
        f"{_again('NAME', thread_id)}",
        host=alias,
    )


def subagents_left(alias: str, thread_id: str) -> RemoraError:
    """The turn has ended, and sub-agents that it started have not."""
    return TaskFailed(
        Code.STOP_UNPROVEN,
        f"The turn has ended, but a sub-agent that it started may still run on {alias}.",
        next_step=f"Stop it, if you do not need its work, with: {_again(alias, thread_id)}",
        host=alias,
    )


def remains_problem(remains: Remains, alias: str, thread_id: str) -> RemoraError | None:
    """What a person has to know of `remains`; `None` when nothing is left."""
    again = _again(alias, thread_id)
    if not remains.idle:
        return TaskFailed(
            Code.STOP_UNPROVEN,
            f"The turn was asked to stop, but {alias} did not confirm it. The turn may continue there.",
            next_step=f"Stop it with: {again}",
            host=alias,
        )
    if remains.left:
        return TaskFailed(
            Code.PROCESSES_LEFT,
            f"The turn is stopped; {_counted(remains.left)} that its commands started in the background still "
            f"{'runs' if len(remains.left) == 1 else 'run'} on {alias}.",
            seen=_listing(remains.left),
            next_step=f"End them on the host, if you do not need them, with: kill {_pids(remains.left)}",
            host=alias,
        )
    if not remains.looked:
        return TaskFailed(
            Code.STOP_UNPROVEN,
            f"The turn is stopped. Whether its commands left processes on {alias} could not be verified.",
            next_step=f"Check the processes on the host, or try again with: {again}",
            host=alias,
        )
    return None


def _again(alias: str, thread_id: str) -> str:
    return f"remora threads interrupt {alias}/{thread_id}"


def _counted(processes: Sequence[HostProcess]) -> str:
    return "1 process" if len(processes) == 1 else f"{len(processes)} processes"


def _listing(processes: Sequence[HostProcess]) -> str:
    rows = [f"{process.pid} {process.command}" for process in processes[:_NAMED]]
    more = len(processes) - _NAMED
    return "\n".join([*rows, f"and {more} more"] if more > 0 else rows)


def _pids(processes: Sequence[HostProcess]) -> str:
    return " ".join(str(process.pid) for process in processes[:_NAMED])
