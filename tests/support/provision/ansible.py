"""Ansible plays an emitted playbook, as it does by default: over one connection for each host."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.base.required import missing

_LIMIT: Final = 200.0
_SHOWN: Final = 6000


def play(
    folder: Path, ssh_config: Path, *words: str, environment: Mapping[str, str], status: int = 0
) -> tuple[str, dict[str, int]]:
    """One run of the playbook in `folder`, which ends with `status`: what it said, and the counts of its recap."""
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        missing("ansible-core is not installed")
    own = {"ANSIBLE_NOCOWS": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(folder.with_name("ansible-home"))}
    with _connections(ssh_config) as shared:
        done = subprocess.run(
            [str(program), "-v", "-i", str(folder / "inventory.yml"), str(folder / "playbook.yml"), *words],
            cwd=folder.parent,
            env={**os.environ, **own, **shared, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    assert done.returncode == status, done.stdout[-_SHOWN:] + done.stderr
    recap = done.stdout.rpartition("PLAY RECAP")[2]
    counts = (word.partition("=") for word in recap.split())
    return done.stdout, {name: int(value) for name, _, value in counts if value.isdigit()}


@contextmanager
def _connections(ssh_config: Path) -> Iterator[dict[str, str]]:
    """The environment in which connections are shared; they are closed when the play has ended."""
    with TemporaryDirectory(prefix="c", dir="/tmp") as sockets:
        arguments = f"-F {ssh_config} -o ControlMaster=auto -o ControlPersist=yes"
        try:
            yield {"ANSIBLE_SSH_ARGS": arguments, "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets}
        finally:
            for socket in Path(sockets).iterdir():
                subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "host"], capture_output=True, check=False)
