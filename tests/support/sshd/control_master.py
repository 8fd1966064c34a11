"""A user's own ``ssh`` control master, and folders whose names are short enough for its socket."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

from remora.adapters.dialler_choice import ChoosingDialler
from remora.adapters.ssh.dial_gate import DialGate
from remora.core.host.hosts import Route
from remora.core.settings import Limits, Transport
from remora.ports import Dialler, Dialogue, RemoteHost


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A private folder with a short name."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="r"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def control_master(config: Path, alias: str) -> Iterator["subprocess.Popen[bytes]"]:
    """What a user starts with ``ssh -M``; it listens at the ControlPath of `config` inside the block."""
    command = ["ssh", "-F", str(config), "-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-N", "--", alias]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as master:
        try:
            check = ["ssh", "-F", str(config), "-O", "check", "--", alias]
            while subprocess.run(check, stdin=quiet, stdout=quiet, stderr=quiet, check=False).returncode:
                assert master.poll() is None, "the control master has ended"
            yield master
        finally:
            master.kill()  # SIGTERM is lost when it comes just before ssh begins to wait


def choosing(dialler: Dialler, *, transport: Transport = Transport.BUILT_IN, limits: Limits | None = None) -> Dialler:
    """The dialler that looks for a live control master first, and else lets `dialler` log in."""
    limits = limits or Limits()
    gate = DialGate(limits, Random(1))  # noqa: S311 - spreads attempts, nothing else
    return ChoosingDialler(lambda alias: transport, lambda chosen: dialler, gate=gate, limits=limits)


class NoDialler:
    """Fails the test that lets it dial."""

    def dial(self, route: Route, dialogue: Dialogue) -> AbstractAsyncContextManager[RemoteHost]:
        """See :class:`remora.ports.Dialler`."""
        raise AssertionError(f"dialled {route.target.alias}")
