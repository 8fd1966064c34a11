"""What goes wrong between a request and its answer, as errors."""

from remora.core.errors import AppServerProblem, Code, ProtocolProblem, RemoraError, Stage, TimeLimit
from remora.core.text import decode


def answer_late(method: str, seconds: float) -> TimeLimit:
    """The answer to a request took too long."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The app server did not answer {method} within {seconds:g} seconds.",
        stage=Stage.THREAD,
        next_step="Read the server's log on the host, or raise --timeout.",
    )


def handshake_late(seconds: float) -> TimeLimit:
    """The server was reached and says nothing."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The app server did not answer the handshake within {seconds:g} seconds.",
        stage=Stage.HANDSHAKE,
        next_step="Read the server's log on the host; its owner can restart it if it hangs.",
    )


def outcome_unknown(method: str, error: RemoraError) -> ProtocolProblem:
    """The connection ended while a request was on its way that must not be sent twice."""
    return ProtocolProblem(
        Code.REQUEST_UNKNOWN,
        f"The app server may or may not have received {method}: {error.message}",
        seen=error.seen,
        next_step="Read the thread before you send it again, so that nothing runs twice.",
    )


def answers_untaken() -> ProtocolProblem:
    """The server asks, and does not read what it is told."""
    return ProtocolProblem(
        Code.PROTOCOL_VIOLATION,
        "The app server sends requests without reading the answers.",
        next_step="Read the server's log on the host; its owner can restart it.",
    )


def config_broken(said: str) -> AppServerProblem:
    """codex cannot use its configuration on the host; `said` names the file and the place."""
    return AppServerProblem(
        Code.CODEX_CONFIG,
        "codex on the host cannot load its configuration, so it starts no thread.",
        seen=said,
        next_step="Repair that file on the host; test it there with: codex login status",
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
        next_step="Read the server's log on the host; its owner can restart it.",
    )


def message_too_large(limit: int, beginning: bytes) -> ProtocolProblem:
    """A message was longer than `limit` bytes, and was not read."""
    return ProtocolProblem(
        Code.MESSAGE_TOO_LARGE,
        f"The app server sent a message beyond the limit of {limit} bytes.",
        seen=decode(beginning[:200]),
        next_step="Read the server's log on the host; continue the thread in a new run.",
    )


def closed_here() -> ProtocolProblem:
    """It was us who ended the connection."""
    return ProtocolProblem(
        Code.SERVER_GONE, "remora closed the connection to the app server.", next_step="Open a new connection."
    )


def not_taken_in(error: Exception) -> RemoraError:
    """Reading failed for a reason of this machine."""
    return RemoraError(
        Code.INTERNAL,
        "This machine could not process the data from the app server.",
        seen=f"{type(error).__name__}: {error}",
        next_step="Check whether the disk for temporary files is full; if not, report this.",
    )
