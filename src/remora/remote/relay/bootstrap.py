"""Hands the channel of an SSH session to the relay, and waits until the relay lets go of it.

This text travels as an argument of ``python3 -c``, with a marker and the words below. It imports nothing of ours. What
it says fits :class:`remora.core.server.answers.AnswerReader`.
"""

from __future__ import annotations

import binascii
import os
import socket
import stat
import struct
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARK = sys.argv[1]
FOLDER, NAME, SERVER, DIGEST, LENGTH = os.fsdecode(binascii.a2b_base64(sys.argv[2])).split("\0")
LIMIT = 15


def answer(key: str, word: str) -> None:
    os.write(1, f"\n<{MARK}>{key}~{os.fsencode(word).hex()}\n".encode())


def enter() -> bool:
    """Go to the folder, if it is there. From then on nobody can put another one in its place."""
    try:
        seen = os.lstat(FOLDER)
    except FileNotFoundError:
        return False
    os.chdir(FOLDER)
    here = os.stat(".")
    same = (seen.st_dev, seen.st_ino) == (here.st_dev, here.st_ino)
    if not stat.S_ISDIR(seen.st_mode) or not same or here.st_uid != os.geteuid():
        raise PermissionError(f"{FOLDER} is not a private folder of this account")
    if here.st_mode & 0o077:
        os.chmod(".", 0o700)
    return True


def hand_over() -> socket.socket | None:
    """Give our standard input and output away; `None` when nobody takes them."""
    control = socket.socket(socket.AF_UNIX)
    control.settimeout(LIMIT)
    try:
        if os.lstat(NAME + ".sock").st_uid != os.geteuid():
            raise PermissionError(f"{FOLDER}/{NAME}.sock belongs to another account")
        control.connect(NAME + ".sock")
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("2i", 0, 1))
        control.sendmsg([os.fsencode(SERVER) + b"\0"], [rights])
        if control.recv(1):
            control.settimeout(None)
            return control
    except (FileNotFoundError, ConnectionError):
        pass
    control.close()
    return None


def receive() -> bytes:
    data = b""
    while len(data) < int(LENGTH):
        piece = os.read(0, int(LENGTH) - len(data))
        if not piece:
            raise SystemExit(0)
        data += piece
    import hashlib

    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise ValueError("the program arrived damaged")
    return data


def main() -> None:
    control = hand_over() if enter() else None
    if control is None:
        answer("end", "send")
        program = receive()
        entry: dict[str, Any] = {"__name__": "remora.remote.relay.entry"}
        exec(zlib.decompress(program), entry)  # noqa: S102 - checked: it is what the laptop sent
        entry["prepare"](FOLDER)
        enter()
        for _ in range(3):  # the one that was there may just have come to its end
            entry["start"](NAME, program)
            control = hand_over()
            if control is not None:
                break
        else:
            raise ConnectionError("it ended at once: " + entry["last_words"](NAME))
    nothing = os.open(os.devnull, os.O_RDWR)
    answer("end", "ready")
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    control.recv(1)


try:
    main()
except Exception as error:  # noqa: BLE001 - whatever it is, the laptop is told
    if isinstance(error, socket.timeout):
        word = "mute"
    else:
        word = "foreign" if isinstance(error, PermissionError) else "failed"
    answer("problem", f"{type(error).__name__}: {error}")
    answer("end", word)
