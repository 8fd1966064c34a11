"""Files of this machine that are damaged or are no files: a plain sentence, at once, and never a traceback."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

LIMIT = 20.0
"""Seconds after which a command hangs; each of these has nothing to wait for."""


def a_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))


def a_loop(place: Path) -> None:
    place.symlink_to(place.name)


def without_rights(place: Path) -> None:
    place.write_text("x")
    place.chmod(0)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "socket": a_socket,
    "loop": a_loop,
    "dangling": lambda place: place.symlink_to("nowhere"),
    "endless": lambda place: place.symlink_to("/dev/zero"),
    "terminal": lambda place: place.symlink_to("/dev/tty"),
    "device": lambda place: place.symlink_to("/dev/full"),
    "huge": lambda place: place.write_bytes(b"#\n" * 40_000_000),
    "no-utf-8": lambda place: place.write_bytes(b"\xff\xfe\xfd" * 100),
    "utf-16": lambda place: place.write_bytes("[limits]\n".encode("utf-16")),
    "nul-bytes": lambda place: place.write_bytes(bytes(4096)),
    "noise": lambda place: place.write_bytes(bytes(range(256)) * 64),
    "empty": Path.touch,
    "half": lambda place: place.write_text('[limits\nconnect = "'),
    "deep": lambda place: place.write_text("a = " + "[" * 100_000),
    "number": lambda place: place.write_text("a = " + "9" * 100_000),
    "no-rights": without_rights,
}
"""What may lie in the place of any file."""

PLACES = {
    "settings": ".config/remora/config.toml",
    "hub-lock": "run/hub.lock",
}
COMMANDS = {
    "hub-lock": ("hub", "start"),
}


def remora(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "REMORA_RUNTIME_DIR": str(home / "run"),
        "REMORA_SSH_CONFIG": str(home / "ssh_config"),
    }
    command = [sys.executable, "-m", "remora", *words]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def verdict(home: Path, place: str, damage: str) -> str | None:
    """What is wrong with the answer to that damage; `None`: nothing."""
    (home / "run").mkdir(mode=0o700, parents=True)
    (home / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n  Port 1\n")
    file = home / PLACES[place]
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    DAMAGE[damage](file)
    try:
        done = remora(home, *COMMANDS.get(place, ("hosts",)))
    except subprocess.TimeoutExpired:
        return "it hangs"
    if place in COMMANDS and done.returncode == 0:
        remora(home, "hub", "stop")
    if "Traceback" in done.stderr or "this is a bug" in done.stderr:
        return done.stderr
    if done.returncode and not (done.stderr.startswith("remora: ") and "\n  next:  " in done.stderr):
        return f"{done.returncode}: {done.stderr}"
    return None


@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_file_is_a_plain_sentence_at_once(place: str) -> None:
    with tempfile.TemporaryDirectory(prefix="d-") as folder, ThreadPoolExecutor(2) as workers:
        verdicts = workers.map(lambda damage: verdict(Path(folder, damage), place, damage), DAMAGE)
        assert {damage: said for damage, said in zip(DAMAGE, verdicts, strict=True) if said} == {}
