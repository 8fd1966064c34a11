"""The byte path to a server that listens on a unix socket."""

from dataclasses import dataclass

from remora.core.errors import Code, RemoraError
from remora.core.server.launch_plan import BytePath
from remora.core.server.probes import CodexCandidate
from remora.flows.server.shell import RemoteShell
from remora.ports import ByteStream, RemoteHost


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A byte stream to the app server, and which way it takes."""

    stream: ByteStream
    byte_path: BytePath


async def open_tunnel(host: RemoteHost, shell: RemoteShell, socket: str, codex: CodexCandidate | None) -> Tunnel:
    """A channel to `socket`, or, where the host forbids that, `shell` turned into codex's own proxy.

    Raises ``channel-refused`` when neither can be had. A proxy whose server is gone ends at once: the
    handshake tells.
    """
    try:
        return Tunnel(await host.open_unix_socket(socket), BytePath.UNIX_SOCKET)
    except RemoraError as error:
        if error.code is not Code.CHANNEL_REFUSED or codex is None or not codex.has_proxy:
            raise
    words = (codex.path, "app-server", "proxy", "--sock", socket)
    return Tunnel(await shell.become(words), BytePath.PROXY)
