"""What a folder on this host is, as one JSON document; the same meaning as in probe.sh.

Runs on the host, in a process of its own, because a dead file system can hold whoever asks for ever: Python 3.8,
standard library only.
"""

from __future__ import annotations

import json
import os

_SIBLINGS = 200


def describe_folder(asked: str) -> bytes:
    """``{"path", "state": ok | missing | file | closed, "siblings", "brings"}`` for a folder as a person typed it."""
    path = _resolve(asked)
    siblings: list[str] = []
    brings = False
    try:
        os.chdir(path)
        path, state = os.getcwd(), "ok"
        brings = _brings(path)
    except OSError:
        if os.path.isdir(path):
            state = "closed"
        elif os.path.exists(path):
            state = "file"
        else:
            state = "missing"
            siblings = _siblings(path)
    return json.dumps({"path": path, "state": state, "siblings": siblings, "brings": brings}).encode()


def _brings(path: str) -> bool:
    """Whether a ``.codex`` lies there or above that is not the account's own."""
    home = os.environ.get("HOME") or os.path.expanduser("~")
    own = {os.environ.get("CODEX_HOME"), os.path.join(os.path.realpath(home), ".codex")}
    places = [path]
    while places[-1] != os.path.dirname(places[-1]):
        places.append(os.path.dirname(places[-1]))
    found = [os.path.join(place, ".codex") for place in places]
    return any(os.path.lexists(name) for name in found if name not in own)


def _resolve(asked: str) -> str:
    home = os.environ.get("HOME") or os.path.expanduser("~")
    if asked in {"", "~"}:
        return home
    if asked.startswith("~/"):
        return os.path.join(home, asked[2:])
    if asked.startswith("~"):
        found = os.path.expanduser(asked)
        return found if found.startswith("/") else os.path.join(home, asked)
    return os.path.join(home, asked)


def _siblings(path: str) -> list[str]:
    parent = path
    while parent and not os.path.isdir(parent):
        parent = parent.rpartition("/")[0]
    try:
        names = sorted(name for name in os.listdir(parent or "/") if not name.startswith("."))
    except OSError:
        return []
    found = []
    for name in names:
        place = f"{parent.rstrip('/')}/{name}"
        if os.path.isdir(place):
            found.append(place)
            if len(found) == _SIBLINGS:
                break
    return found
