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
            next_step="Start what should listen there.",
        )
    if code == CLOSE_LOST:
        return Unreachable(
            Code.CONNECTION_LOST,
            f"The connection to {target} on the host was cut by what listens there.",
            seen=words,
            next_step="Connect again.",
        )
    return relay_failed(f"The relay could not open {target}.", words)


def _server_problem(code: str, words: str) -> RemoraError:
    if code == CLOSE_FOREIGN:
        return LaunchProblem(
            Code.SOCKET_FOREIGN,
            "The control socket belongs to somebody else; nothing was sent to it.",
            seen=words,
            next_step="Ask the owner to remove it, or set CODEX_HOME on the host to a folder of your own.",
        )
    what = {
        CLOSE_REFUSED: "The app server does not listen on its socket any more.",
        CLOSE_OVERFLOW: "The app server hung up: it had more to tell than the relay may keep while nobody takes it.",
    }
    return ProtocolProblem(
        Code.SERVER_GONE,
        what.get(code, "The app server cut the connection."),
        seen=words,
        next_step="Connect again; a new one is started when it is gone.",
    )
