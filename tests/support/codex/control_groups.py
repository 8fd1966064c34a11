"""The control groups that a launch within limits has made, taken away again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.sshd.system_sshd import SystemSshd

_LIMIT = 10.0


def groups_of(process: int) -> list[Path]:
    """The control groups of ours that a process is in."""
    found = []
    with suppress(OSError):
        for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "/remora-" in path:
                found.append(Path("/sys/fs/cgroup") / controllers / path.lstrip("/"))
    return found


@contextmanager
def groups_removed(sshd: SystemSshd) -> Iterator[None]:
    """On leaving, what the sessions of `sshd` left in groups of ours has ended, and the groups are gone."""
    try:
        yield
    finally:
        groups = {group for process in sshd.session_processes() for group in groups_of(process)}
        deadline = time.monotonic() + _LIMIT
        while left := [group for group in groups if group.exists()]:
            assert time.monotonic() < deadline, f"control groups stay: {left}"
            for group in left:
                _end(group)
            time.sleep(0.02)


def _end(group: Path) -> None:
    with suppress(OSError):
        for process in (group / "cgroup.procs").read_text().split():
            os.kill(int(process), signal.SIGKILL)
    with suppress(OSError):  # what was killed may still be leaving it
        group.rmdir()
