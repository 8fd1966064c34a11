"""Why the relay closed a stream, read as an error."""

from remora.core.errors import Code, LaunchProblem, ProtocolProblem, RemoraError, ShellProblem, Unreachable
from remora.core.link.relay_faults import relay_failed
from remora.wire.relay.relay_frames import CLOSE_FOREIGN, CLOSE_LOST, CLOSE_OVERFLOW, CLOSE_REFUSED, CLOSED


def stream_problem(target: str, said: str) -> RemoraError | None:
    """Why the relay closed a stream to `target`, from its own words; `None` when it was closed in good order.

    ``server-gone`` and ``socket-foreign`` for the app server, ``channel-refused`` for a port where nothing listens.
    """
    code, _, words = said.partition(" ")
    if code == CLOSED:
        return None
    if target == "server":
        return _server_problem(code, words)
    if code == CLOSE_REFUSED:
        return ShellProblem(
            Code.CHANNEL_REFUSED,
            f"The relay could not connect to {target} on the host.",
            seen=words,
            next_step="Start the program that should listen there.",
        )
    if code == CLOSE_LOST:
        return Unreachable(
            Code.CONNECTION_LOST,
            f"The connection to {target} on the host was closed by the program that listens there.",
            seen=words,
            next_step="Connect again.",
        )
    return relay_failed(f"The relay could not open {target}.", words)


def _server_problem(code: str, words: str) -> RemoraError:
    if code == CLOSE_FOREIGN:
        return LaunchProblem(
            Code.SOCKET_FOREIGN,
            "The control socket belongs to another account; nothing was sent to it.",
            seen=words,
            next_step="Ask the owner to remove it, or set CODEX_HOME on the host to a private folder of the account.",
        )
    what = {
        CLOSE_REFUSED: "The app server no longer listens on its socket.",
        CLOSE_OVERFLOW: "The app server closed the connection: its unread data exceeded the limit of the relay.",
    }
    return ProtocolProblem(
        Code.SERVER_GONE,
        what.get(code, "The app server closed the connection."),
        seen=words,
        next_step="Connect again; remora starts a new app server if it has ended.",
    )
