"""A scripted model that a container's codex reaches: through a reverse forward of SSH, so that no packet leaves it."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.containers.container_host import Account

from remora.demo.scripted_model import ScriptedModel


@contextlib.contextmanager
def model_reached(account: Account, model: ScriptedModel) -> Iterator[None]:
    """Inside the block the account's codex has `model`, at the very address that it has here."""
    furnish(account, model)
    port = urlsplit(model.base_url).port
    forward = ["-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{port}:127.0.0.1:{port}"]
    with subprocess.Popen(
        ["ssh", "-F", account.ssh_config, *forward, account.alias, "echo ready; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as tunnel:
        assert tunnel.stdin is not None
        assert tunnel.stdout is not None
        assert tunnel.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            tunnel.stdin.close()
            tunnel.wait(20)


def furnish(account: Account, model: ScriptedModel) -> None:
    """Write the account's ``.codex`` so that `model` is its model and codex asks nothing of the network."""
    with tempfile.TemporaryDirectory() as scratch:
        model.furnish(Path(scratch))
        for file in Path(scratch).iterdir():
            account.write(f".codex/{file.name}", file.read_text().replace(scratch, f"{account.home}/.codex"))
