"""What asks which system it runs on, with the answers of macOS: each such branch, in a Python that says it is there."""

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT

_THERE = """
import asyncio, fcntl, json, os, signal, socket, struct, subprocess, sys, tempfile
from pathlib import Path
sys.platform = "darwin"
del socket.SO_PEERCRED
del signal.pidfd_send_signal, os.pidfd_open

class Connection:
    \"\"\"As macOS answers LOCAL_PEERCRED (level 0, option 1): struct xucred of 76 bytes.\"\"\"
    def __init__(self, uid):
        self.uid = uid
    def getsockopt(self, level, option, size):
        assert (level, option, size) == (0, 1, 76)
        return struct.pack("=IIhxx16I", 0, self.uid, 1, *range(16))

_asked = fcntl.fcntl
def macos_fcntl(descriptor, command, argument=0):
    \"\"\"F_GETLK with the struct flock of macOS: start, length, pid, kind, whence.\"\"\"
    if command != fcntl.F_GETLK:
        return _asked(descriptor, command, argument)
    start, length, _, kind, whence = struct.unpack("=qqihh", argument)
    answer = _asked(descriptor, command, struct.pack("@hhqqi4x", kind, whence, start, length, 0))
    kind, whence, start, length, pid = struct.unpack("@hhqqi4x", answer)
    return struct.pack("=qqihh", start, length, pid, kind, whence)
fcntl.fcntl = macos_fcntl
"""
"""The head of each child: what of Python and the kernel differs on macOS."""

WHERE_ASKED = {
    "adapters/machine/local_sockets.py",
    "adapters/machine/runtime_folder.py",
    "hub/shared/lock.py",
    "remote/relay/ends.py",
}
"""Each has its test below."""


def on_macos(script: str, *words: str, home: Path | None = None) -> str:
    """What `script` prints in a Python that takes itself to be on macOS."""
    environment = {**os.environ, **({"HOME": str(home)} if home else {})}
    asked = subprocess.run(
        [sys.executable, "-c", _THERE + textwrap.dedent(script), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


def test_every_place_that_asks_for_the_system_is_tried_here() -> None:
    source = ROOT / "src/remora"
    asking = {
        str(path.relative_to(source)) for path in source.rglob("*.py") if "sys.platform" in path.read_text("utf-8")
    }
    assert asking == WHERE_ASKED


def test_the_holder_of_the_lock_is_found_and_signalled(tmp_path: Path) -> None:
    script = """
        from remora.hub.shared.lock import HubLock, holder_of
        path = Path(sys.argv[1])
        assert holder_of(path) is None
        words = [sys.executable, "-c", "import pathlib, sys; from remora.hub.shared.lock import HubLock; "
                 "print(HubLock(pathlib.Path(sys.argv[1])).take(), flush=True); sys.stdin.read()", str(path)]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"True\\n"
        holder = holder_of(path)
        assert holder.pid == child.pid
        assert HubLock(path).take() is False
        assert holder.signal(signal.SIGTERM) is True
        print(child.wait())
        assert holder_of(path) is None
        assert holder.signal(signal.SIGTERM) is False
    """
    assert on_macos(script, str(tmp_path / "lock")) == "-15\n"


def test_who_is_at_the_other_end_of_a_socket_is_asked_as_macos_answers() -> None:
    script = """
        from remora.adapters.machine.local_sockets import is_same_user
        from remora.remote.relay.ends import peer_user
        mine, other = os.getuid(), os.getuid() + 1
        print(is_same_user(Connection(mine)), is_same_user(Connection(other)))
        print(peer_user(Connection(mine)) == mine, peer_user(Connection(other)) == other)
    """
    assert on_macos(script) == "True False\nTrue True\n"


def test_a_system_that_does_not_tell_who_is_there_is_not_believed() -> None:
    script = """
        sys.platform = "plan9"
        from remora.remote.relay.ends import peer_user
        print(peer_user(Connection(os.getuid())))
    """
    assert on_macos(script) == "None\n"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="h") as made:
        yield Path(made)


@pytest.mark.parametrize("there", [True, False], ids=["there", "not made yet"])
def test_the_sockets_of_an_account_lie_in_its_own_library(there: bool, home: Path) -> None:
    """An account that has never run a program with windows has no such folder, and may get one at any time: were the
    sockets elsewhere until then, a second hub would begin."""
    usual = home / "Library/Caches/TemporaryItems"
    if there:
        usual.mkdir(parents=True)
    script = """
        from remora.adapters.machine.runtime_folder import runtime_folder
        folder = runtime_folder({}, temporary=Path(sys.argv[1]))
        print(folder, oct(folder.stat().st_mode & 0o777))
    """
    temporary = home / "t"
    temporary.mkdir()
    told = on_macos(script, str(temporary), home=home)
    assert told == f"{usual}/remora 0o700\n"
    assert list(temporary.iterdir()) == []
