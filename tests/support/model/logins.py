"""A secret, and hosts whose codex asks an endpoint of the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.codex.binaries import codex_binary
from tests.support.model.login_endpoint import LoginEndpoint
from tests.support.sshd.system_sshd import SystemSshd

CANARY = "sk-canary-5f0c2d9e7a"


@contextmanager
def host_with(version: str, folder: Path, endpoint: LoginEndpoint) -> Iterator[SystemSshd]:
    """A host whose codex asks that endpoint."""
    with (
        TemporaryDirectory(prefix="r-") as own,  # its lock is not that of other hosts on this machine
        SystemSshd(folder, environment={**endpoint.environment(), "TMPDIR": own}) as sshd,
    ):
        place = sshd.home / ".local/bin/codex"
        place.parent.mkdir(parents=True)
        place.symlink_to(codex_binary(version))
        endpoint.configure(sshd.home / ".codex")
        yield sshd
