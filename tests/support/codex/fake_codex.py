"""A codex that fails on purpose: one Python file with the command line of the real one.

What it does wrong stands in a file beside it, read at every start, so that a test changes its mind while it runs.
"""

import json
import os
import socket
import sys
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from tests.support.network.byte_server import converse

_ROOT: Final = Path(__file__).parents[3]
_SLOW: Final = 20.0
_FOR_EVER: Final = 3600.0
_HYDRATION: Final = 60.0
_SLOTS: Final = threading.BoundedSemaphore(6)
THREADS: Final = [f"00000000-0000-7000-8000-{number:012}" for number in range(20)]
"""Of the fake with long histories."""


class Fault(StrEnum):
    """What goes wrong."""

    NONE = "none"
    EXIT_WITH_TEXT = "exit-with-text"
    EXIT_SILENTLY = "exit-silently"
    LISTEN_LATE = "listen-late"
    PLAIN_FILE = "plain-file"
    NEVER_ANSWER = "never-answer"
    HANG_UP = "hang-up"
    """Every connection is closed at once, as codex 0.125.0 does at the handshake."""
    NO_WEBSOCKET = "no-websocket"
    """What comes is no answer to an upgrade."""
    LINES_ON_SOCKET = "lines-on-socket"
    NO_SOCKETS = "no-sockets"
    """Of the generation that knows only standard input and output."""
    VERSION_HANGS = "version-hangs"
    NO_APP_SERVER = "no-app-server"
    PLAIN_BYTES = "plain-bytes"
    """Whoever does not begin with HTTP is served by :mod:`tests.support.network.byte_server`."""
    LONG_HISTORY = "long-history"
    """Twenty threads are loaded; reading or resuming one takes a slot of six, and a minute."""


def install(
    path: Path, fault: Fault = Fault.NONE, *, version: str = "0.999.0", interpreter: str = sys.executable
) -> Path:
    """Put a fake codex at `path`. `interpreter` goes on its first line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{interpreter}\nimport sys\nsys.path.insert(0, {str(_ROOT)!r})\n"
        "from tests.support.codex.fake_codex import main\nmain(__file__, sys.argv[1:])\n"
    )
    path.chmod(0o755)
    set_fault(path, fault, version=version)
    return path


def set_fault(path: Path, fault: Fault, *, version: str = "0.999.0") -> None:
    """Change what the fake at `path` does from its next start on."""
    path.with_name("fault.json").write_text(json.dumps({"fault": fault, "version": version}))


def main(program: str, words: list[str]) -> None:
    """The command line."""
    settings = json.loads(Path(program).resolve().with_name("fault.json").read_text())
    fault, version = Fault(settings["fault"]), settings["version"]
    match words:
        case ["--version"]:
            if fault is Fault.VERSION_HANGS:
                time.sleep(_FOR_EVER)
            print(f"codex-cli {version}")
        case ["app-server", "--help"]:
            _help(fault)
        case ["app-server", "proxy", "--sock", path]:
            _proxy(path)
        case ["app-server", "--listen", "stdio://"]:
            _serve_lines(sys.stdin.buffer, sys.stdout.buffer, version)
        case ["app-server", "--listen", url] if url.startswith("unix://"):
            home = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
            _listen(
                Path(url.removeprefix("unix://") or home / "app-server-control/app-server-control.sock"), fault, version
            )
        case _:
            sys.exit(2)


def _help(fault: Fault) -> None:
    if fault is Fault.NO_APP_SERVER:
        sys.exit("error: unrecognized subcommand 'app-server'")
    if fault is Fault.NO_SOCKETS:
        print("--listen <URL>  `stdio://` (default), `ws://IP:PORT`")
    else:
        print("  proxy   Proxy stdio bytes\n--listen <URL>  `stdio://` (default), `unix://`, `unix://PATH`")


def _listen(path: Path, fault: Fault, version: str) -> None:
    print(f"fake codex {version} starts", file=sys.stderr, flush=True)
    if fault is Fault.EXIT_WITH_TEXT:
        sys.exit("Error: database on a network file system is locked")
    if fault is Fault.EXIT_SILENTLY:
        return
    if fault is Fault.LISTEN_LATE:
        time.sleep(_SLOW)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if fault is Fault.PLAIN_FILE:
        path.touch()
        time.sleep(_FOR_EVER)
    _refuse_living(path)
    with socket.socket(socket.AF_UNIX) as server:
        before = os.umask(0o177)
        server.bind(str(path))
        os.umask(before)
        server.listen()
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_converse, args=(connection, fault, version), daemon=True).start()


def _refuse_living(path: Path) -> None:
    """As the real one: a socket that somebody serves is an error, a dead one is replaced."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()
            return
    sys.exit(f"Error: app-server control socket is already in use at {path}")


def _converse(connection: socket.socket, fault: Fault, version: str) -> None:
    with connection, connection.makefile("rwb") as stream:
        if fault is Fault.NEVER_ANSWER:
            time.sleep(_FOR_EVER)
        if fault is Fault.HANG_UP:
            return
        if fault is Fault.NO_WEBSOCKET:
            connection.sendall(b"SSH-2.0-nothing of yours\r\n")
            return
        if fault is Fault.PLAIN_BYTES and connection.recv(1, socket.MSG_PEEK) != b"G":
            converse(connection)
        elif fault is Fault.LINES_ON_SOCKET:
            _serve_lines(stream, stream, version)
        else:
            _serve_websocket(connection, fault, version)


def _serve_websocket(connection: socket.socket, fault: Fault, version: str) -> None:
    from websockets.frames import Frame, Opcode  # only here: --version has to be quick
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    protocol = ServerProtocol(max_size=None)
    message = bytearray()
    while data := connection.recv(65536):
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.CONT}:
                message += event.data
                if event.fin:
                    asked = json.loads(message)
                    message.clear()
                    answer = _answer_slowly(asked) if fault is Fault.LONG_HISTORY else None
                    answer = answer or _answer(asked, version)
                    if answer is not None:
                        protocol.send_text(json.dumps(answer).encode())
        for piece in protocol.data_to_send():
            connection.sendall(piece)


def _answer(message: dict[str, Any], version: str) -> dict[str, Any] | None:
    if "id" not in message:
        return None
    match message["method"]:
        case "initialize":
            agent = f"{message['params']['clientInfo']['name']}/{version} (fake)"
            result: Any = {"userAgent": agent, "codexHome": str(Path.home() / ".codex"), "platformOs": "linux"}
        case "environment":
            result = dict(os.environ)
        case "process":
            result = os.getpid()
        case "count":
            result = len(message["params"]["text"])
        case "make":
            result = "x" * message["params"]["make"]
        case "thread/list" | "thread/loaded/list":
            result = {"data": []}
        case method:
            return {"id": message["id"], "error": {"code": -32601, "message": f"no {method}"}}
    return {"id": message["id"], "result": result}


def _answer_slowly(message: dict[str, Any]) -> dict[str, Any] | None:
    """What a server with long histories answers; the rest is as ever."""
    match message["method"]:
        case "thread/loaded/list":
            result: Any = {"data": THREADS}
        case "thread/read" | "thread/resume":
            with _SLOTS:
                time.sleep(_HYDRATION)
            result = {"thread": {"id": message["params"]["threadId"], "status": {"type": "idle"}, "turns": []}}
        case "thread/start":
            result = {"thread": {"id": "new"}}
        case "turn/start":
            result = {"turn": {"id": "turn", "items": [], "status": "inProgress"}}
        case _:
            return None
    return {"id": message["id"], "result": result}


def _proxy(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(path)
        except OSError as error:
            sys.exit(f"Error: failed to connect to socket at {path}: {error}")

        def inward() -> None:
            while data := os.read(0, 65536):
                server.sendall(data)
            os._exit(0)

        threading.Thread(target=inward, daemon=True).start()
        while data := server.recv(65536):
            os.write(1, data)
        os._exit(0)


def _serve_lines(source: Any, target: Any, version: str) -> None:
    for line in source:
        try:
            answer = _answer(json.loads(line), version)
        except ValueError:
            return
        if answer is not None:
            target.write(json.dumps(answer).encode() + b"\n")
            target.flush()
