"""What a test may leave behind: nothing. Taken before and after each test and compared."""

import gc
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

WORKER_TAG = "REMORA_TEST_WORKER"
"""An environment variable of every process that a test starts, detached ones too."""

_SETTLE_LIMIT = 3.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Processes, descriptors, threads and temporary files that are there now, each as words for a person."""

    processes: frozenset[str]
    descriptors: frozenset[str]
    threads: frozenset[str]
    files: frozenset[str]

    def beyond(self, earlier: "Holdings") -> list[str]:
        """What is here and was not there `earlier`."""
        return sorted(
            (self.processes - earlier.processes)
            | (self.descriptors - earlier.descriptors)
            | (self.threads - earlier.threads)
            | (self.files - earlier.files)
        )


def holdings(markers: Iterable[bytes]) -> Holdings:
    """Take stock. `markers` are texts in the environment of processes that are ours though no children."""
    processes = _linux_processes(tuple(markers)) if _PROC.is_dir() else _child_processes()
    return Holdings(
        processes=frozenset(processes),
        descriptors=frozenset(_descriptors()),
        threads=frozenset(f"thread {thread.name} ({thread.ident})" for thread in threading.enumerate()),
        files=frozenset(f"file {path}" for path in Path(tempfile.gettempdir()).iterdir()),
    )


def leaked(earlier: Holdings, take: Callable[[], Holdings]) -> list[str]:
    """What stays beyond `earlier`, after what is just ending had a moment to end."""
    deadline = time.monotonic() + _SETTLE_LIMIT
    while found := take().beyond(earlier):
        if time.monotonic() > deadline:
            return found
        gc.collect()
        time.sleep(0.02)
    return []


def _linux_processes(markers: tuple[bytes, ...]) -> Iterable[str]:
    for name in os.listdir(_PROC):  # noqa: PTH208 - ten thousand times over, and some hundred processes each time
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            parent = int(_content(f"/proc/{name}/stat").rpartition(b")")[2].split()[1])
            if parent != os.getpid():
                environment = _content(f"/proc/{name}/environ")
                if not any(marker in environment for marker in markers):
                    continue
            command = _content(f"/proc/{name}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        yield f"process {name}: {command or 'ended but not waited for'}"


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
        return file.read()


def _child_processes() -> Iterable[str]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        pid, parent, command = line.split(None, 2)
        if int(parent) == os.getpid() and not command.startswith("ps -A"):
            yield f"process {pid}: {command}"


def _descriptors() -> Iterable[str]:
    folder = _PROC / "self" / "fd" if _PROC.is_dir() else Path("/dev/fd")
    for entry in os.listdir(folder):  # noqa: PTH208 - iterdir would hold a descriptor of its own while reading
        try:
            target = os.readlink(folder / entry) if _PROC.is_dir() else os.fstat(int(entry)).st_ino  # noqa: PTH115
        except OSError:
            continue  # the descriptor that listed the folder
        yield f"descriptor {entry}: {target}"
