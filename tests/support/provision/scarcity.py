"""Hosts with little: processes of an account that are not ours, and a share of a processor."""

import contextlib
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.support.base.required import missing
from tests.support.base.until import wait_until
from tests.support.sshd.account_sshd import ORDINARY_ID

_GROUPS: Final = Path("/sys/fs/cgroup")
_PERIOD: Final = 100_000


@contextlib.contextmanager
def crowd(count: int) -> Iterator[None]:
    """So many other processes of the ordinary account run inside the block."""
    words = ["setpriv", "--reuid", str(ORDINARY_ID), "--clear-groups", "sleep", "infinity"]
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.callback(_end, subprocess.Popen(words, stdin=subprocess.DEVNULL))
        yield


@contextlib.contextmanager
def little_processor(processes: Sequence[int], *, share: float) -> Iterator[None]:
    """These processes, and what they start, have that share of one processor together inside the block."""
    unified = (_GROUPS / "cgroup.controllers").exists()
    parent = _GROUPS if unified else _GROUPS / "cpu"
    group = parent / f"remora-test-{uuid.uuid4().hex[:8]}"
    quota = int(_PERIOD * share)
    try:
        group.mkdir()
        if unified:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        missing(f"this machine shares out no processor time: {error}")
    try:
        for pid in processes:
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        wait_until(lambda: _is_left(group, parent), what="an empty group")
        group.rmdir()


def _is_left(group: Path, parent: Path) -> bool:
    members = (group / "cgroup.procs").read_text().split()
    for member in members:
        with contextlib.suppress(ProcessLookupError):
            (parent / "cgroup.procs").write_text(member)
    return not members


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
