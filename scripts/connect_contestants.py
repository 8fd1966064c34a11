"""The other ways to a thread on a host that `scripts/bench connect` times; each prints a line when it has one.

Run as a program: ``connect_contestants.py NAME SSH_CONFIG ALIAS FOLDER REMOTE_SOCKET``. Imports nothing of
remora and, outside of each way, only what every Python has: import time is part of what is measured.
"""

import json
import sys

_READY = '{"kind": "thread"}'


def sdk(ssh_config: str, alias: str, folder: str, _remote_socket: str) -> None:
    """The official Python SDK, with a session-attached app server behind ``ssh``."""
    from openai_codex import Codex, CodexConfig

    command = ("ssh", "-F", ssh_config, alias, "codex", "app-server")
    with Codex(config=CodexConfig(launch_args_override=command)) as codex:
        codex.thread_start(cwd=folder)
        print(_READY, flush=True)


def forward(ssh_config: str, alias: str, folder: str, remote_socket: str) -> None:
    """``ssh -L`` to the socket of a server that runs already, and a WebSocket client."""
    import socket
    import subprocess
    import tempfile
    import time
    from pathlib import Path

    from websockets.sync.client import unix_connect

    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch, "s")
        ssh = ["ssh", "-F", ssh_config, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{local}:{remote_socket}", alias]
        tunnel = subprocess.Popen(ssh)
        try:
            listening = socket.socket(socket.AF_UNIX)
            for _ in range(15_000):
                if listening.connect_ex(str(local)) == 0:
                    break
                time.sleep(0.002)
            with unix_connect(sock=listening, uri="ws://localhost/", compression=None, max_size=None) as connection:
                information = {"name": "bench", "title": "bench", "version": "1"}
                connection.send(json.dumps({"id": 1, "method": "initialize", "params": {"clientInfo": information}}))
                _answer(connection, 1)
                connection.send(json.dumps({"method": "initialized"}))
                connection.send(json.dumps({"id": 2, "method": "thread/start", "params": {"cwd": folder}}))
                _answer(connection, 2)
                print(_READY, flush=True)
        finally:
            tunnel.kill()  # asked to terminate at a bad moment, ssh waits for ever
            tunnel.wait()


def _answer(connection, number):  # type: ignore[no-untyped-def]
    while json.loads(connection.recv(timeout=30)).get("id") != number:
        continue


if __name__ == "__main__":
    {"sdk": sdk, "forward": forward}[sys.argv[1]](*sys.argv[2:])
