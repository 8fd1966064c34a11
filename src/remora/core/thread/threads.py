"""Which thread is meant by what a person types."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remora.core.errors import Code, ProtocolProblem

_WHOLE_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BEGINNING: Final = re.compile(r"[0-9a-fA-F]{8}[0-9a-fA-F-]{0,28}")
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class ThreadName:
    """A thread as a listing shows it: its id, the name somebody gave it, and how it began."""

    thread_id: str
    name: str | None
    preview: str


def is_whole_id(words: str) -> bool:
    """Whether `words` are a complete thread id, which needs no looking up."""
    return _WHOLE_ID.fullmatch(words) is not None


def may_begin_id(words: str) -> bool:
    """Whether `words` are a thread id or so much of its beginning that no other thread has the same."""
    return _BEGINNING.fullmatch(words) is not None


def choose_thread(words: str, threads: Sequence[ThreadName]) -> str:
    """The id of the one thread whose name is `words` or whose id begins with them; a name wins.

    Raises ``thread-missing`` when none fits and ``thread-ambiguous`` when several do, with what there is.
    """
    wanted = words.strip().casefold()
    named = [thread for thread in threads if thread.name and thread.name.strip().casefold() == wanted]
    fitting = named or [thread for thread in threads if wanted and thread.thread_id.casefold().startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0].thread_id
    shown = fitting or list(threads)
    raise ProtocolProblem(
        Code.THREAD_AMBIGUOUS if fitting else Code.THREAD_MISSING,
        f"{len(fitting)} threads of the host match {words!r}."
        if fitting
        else f"No thread of the host matches {words!r}.",
        seen="\n".join(_row(thread) for thread in shown[:_NAMED]),
        next_step="Name one by its id, a unique prefix of it, or its name.",
    )


def _row(thread: ThreadName) -> str:
    return " ".join(part for part in (thread.thread_id, thread.name, f"({thread.preview[:60]})") if part)
