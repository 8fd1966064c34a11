"""A laptop with a manifest for hosts in containers: ``remora provision`` run on it, and what it says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.base.until import LIMIT
from tests.support.codex.binaries import codex_binary
from tests.support.containers.container_host import Account
from tests.support.link.hubs import HubPlace, hub_place


@dataclass(frozen=True, slots=True)
class Laptop:
    """Where the manifest lies; `place` runs any other command of remora, at the same hosts."""

    place: HubPlace

    @property
    def manifest(self) -> Path:
        """The file."""
        return self.place.folder / "box.toml"

    def write(self, text: str, *accounts: Account) -> None:
        """The manifest: what `text` says, for all of `accounts`."""
        hosts = json.dumps([account.alias for account in accounts])
        self.manifest.write_text(f"{text}\n[[hosts]]\nselect = {hosts}\n")

    def words(self, *words: str) -> tuple[str, ...]:
        """The command."""
        return ("provision", str(self.manifest), "--no-input", *words)

    def provision(self, *words: str) -> list[dict[str, Any]]:
        """Run it; what the report says of each host."""
        document = self.place.document(*self.words(*words))
        assert "hosts" in document, document
        hosts: list[dict[str, Any]] = document["hosts"]
        return hosts

    def provision_one(self, *words: str) -> dict[str, Any]:
        """Run it on one host."""
        (host,) = self.provision(*words)
        return host

    @contextmanager
    def provisioning(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run it meanwhile; ended with the block when it has not come to its end."""
        command = [sys.executable, "-m", "remora", *self.words("--json", *words)]
        environment = {**os.environ, **self.place.environment}
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as running:
            try:
                yield running
            finally:
                running.kill()

    def ended(self, running: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
        """The end of one that runs meanwhile: what its report says of each host."""
        said, _ = running.communicate(timeout=LIMIT)
        hosts: list[dict[str, Any]] = json.loads(said)["hosts"]
        return hosts


@contextmanager
def laptop(account: Account) -> Iterator[Laptop]:
    """A laptop that logs in as `account`; packages are kept once per machine, as the real codex is."""
    with hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place:
        yield Laptop(place)


def codex_lines(version: str) -> str:
    """The manifest's words for a real codex out of a file of this machine, visible to any login shell."""
    program = json.dumps(str(codex_binary(version)))
    return (
        f'[defaults.codex]\nversion = "{version}"\nsource = "file"\nfile = {program}\n'
        "[defaults.path]\nallow_shell_edit = true\n"
    )


def outcomes(host: dict[str, Any]) -> dict[str, str]:
    """How each step ended."""
    return {step["name"]: step["outcome"] for step in host["steps"]}


def assert_done(host: dict[str, Any]) -> None:
    """Everything had to be changed, and was."""
    assert {outcome for name, outcome in outcomes(host).items() if name != "limits"} == {"changed"}, host
    assert (host["outcome"], host["error"]) == ("changed", None)


def assert_unchanged(host: dict[str, Any]) -> None:
    """Nothing differed, and nothing was sent."""
    assert (set(outcomes(host).values()), host["bytes"], host["dials"]) == ({"unchanged"}, 0, 1), host
    assert host["outcome"] == "unchanged"
