"""What goes wrong between a request and its answer, as errors."""

from remora.core.errors import AppServerProblem, Code, ProtocolProblem, RemoraError, Stage, TimeLimit
from remora.core.text import decode


def answer_late(method: str, seconds: float) -> TimeLimit:
    """The answer to a request took too long."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The app server did not answer {method} within {seconds:g} seconds.",
        stage=Stage.THREAD,
        next_step="Look at the server's log on the host, or allow more time with --timeout.",
    )


def handshake_late(seconds: float) -> TimeLimit:
    """The server was reached and says nothing."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The app server did not answer the handshake within {seconds:g} seconds.",
        stage=Stage.HANDSHAKE,
        next_step="Look at the server's log on the host; if it hangs, its owner can restart it.",
    )


def outcome_unknown(method: str, error: RemoraError) -> ProtocolProblem:
    """The connection ended while a request was on its way that must not be sent twice."""
    return ProtocolProblem(
        Code.REQUEST_UNKNOWN,
        f"Whether the app server received {method} is not known: {error.message}",
        seen=error.seen,
        next_step="Look at the thread before asking again, so that nothing is done twice.",
    )


def answers_untaken() -> ProtocolProblem:
    """The server asks, and does not read what it is told."""
    return ProtocolProblem(
        Code.PROTOCOL_VIOLATION,
        "The app server asks on and on without taking the answers.",
        next_step="Look at the server's log on the host; its owner can restart it.",
    )


def config_broken(said: str) -> AppServerProblem:
    """codex cannot use its configuration on the host; `said` names the file and the place."""
    return AppServerProblem(
        Code.CODEX_CONFIG,
        "codex on the host cannot use its configuration, and starts no thread with it.",
        seen=said,
        next_step="Mend that file on the host; codex login status there says whether it can be read.",
    )


def config_trouble(said: str) -> str | None:
    """What a command of codex says of a configuration that it cannot use; `None` when it says nothing of it."""
    _, found, trouble = said.partition("Error loading configuration: ")
    return trouble.strip() if found else None


def too_much(what: str, limit: int) -> ProtocolProblem:
    """The server sends more of something than any that means well, and more than is kept here."""
    return ProtocolProblem(
        Code.PROTOCOL_VIOLATION,
        f"The app server sends more than {limit:,} {what}.",
        next_step="Look at the server's log on the host; its owner can restart it.",
    )


def message_too_large(limit: int, beginning: bytes) -> ProtocolProblem:
    """A message was longer than `limit` bytes, and was not read."""
    return ProtocolProblem(
        Code.MESSAGE_TOO_LARGE,
        f"The app server sent a message beyond the limit of {limit} bytes.",
        seen=decode(beginning[:200]),
        next_step="Look at the server's log on the host; a thread is continued in a new run, which reads pages.",
    )


def closed_here() -> ProtocolProblem:
    """It was us who ended the connection."""
    return ProtocolProblem(
        Code.SERVER_GONE, "The connection to the app server was closed here.", next_step="Open a new connection."
    )


def not_taken_in(error: Exception) -> RemoraError:
    """Reading failed for a reason of this machine."""
    return RemoraError(
        Code.INTERNAL,
        "What the app server sent could not be taken in here.",
        seen=f"{type(error).__name__}: {error}",
        next_step="Look whether the disk for temporary files is full; if not, report this.",
    )
