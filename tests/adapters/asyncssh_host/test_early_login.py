"""A login in few flights: everything that needs no answer leaves together, and nothing else is different."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from tests.support.base.loop import run
from tests.support.sshd.asyncssh_server import loopback_server
from tests.support.sshd.system_sshd import make_key

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.core.errors import AuthenticationProblem
from remora.core.host.hosts import Host, Route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ConnectionFacts, Dialogue
from remora.testing.scripted_person import ScriptedPerson

SIGNED = 200
"""So many bytes, encrypted, are less than the request with a signature and far more than any without."""


@dataclass(slots=True)
class Gate:
    """A server that says it is OpenSSH's. `waits` is how many bytes must have come before it answers anything."""

    keys: tuple[Path, ...] = ()
    password: str | None = None
    open_to_all: bool = False
    waits: int = 0
    tried: list[str] = field(default_factory=list)
    port: int = 0
    known_hosts: str = ""

    def route(self, *keys: Path) -> Route:
        return Route(
            Host(
                alias="gate",
                hostname="127.0.0.1",
                port=self.port,
                user="anybody",
                user_known_hosts=(self.known_hosts,),
                identity_files=tuple(str(key) for key in keys),
                options={},
            )
        )


class _Keeper(asyncssh.SSHServer):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    async def begin_auth(self, username: str) -> bool:
        while len(self._connection._inpbuf) < self._gate.waits:  # noqa: ASYNC110 - asyncssh tells nobody of bytes
            await asyncio.sleep(0)
        return not self._gate.open_to_all

    def public_key_auth_supported(self) -> bool:
        return bool(self._gate.keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._gate.tried.append(key.get_fingerprint())
        return any(asyncssh.read_public_key(f"{path}.pub") == key for path in self._gate.keys)

    def password_auth_supported(self) -> bool:
        return self._gate.password is not None

    def validate_password(self, username: str, password: str) -> bool:
        self._gate.tried.append("password")
        return password == self._gate.password


def log_in(folder: Path, gate: Gate, *keys: Path, dialogue: Dialogue | None = None) -> ConnectionFacts:
    async def facts() -> ConnectionFacts:
        listening = loopback_server(folder, lambda: _Keeper(gate), server_version="OpenSSH_9.9", kbdint_auth=False)
        async with (
            listening as (gate.port, gate.known_hosts),
            AsyncsshDialler().dial(gate.route(*keys), dialogue or UnattendedDialogue()) as host,
        ):
            return host.facts

    return run(facts())


def test_the_signature_is_there_before_the_host_has_answered_anything(tmp_path: Path) -> None:
    key = make_key(tmp_path / "mine")
    gate = Gate(keys=(key,), waits=SIGNED)
    assert log_in(tmp_path, gate, key).authentication == "publickey"
    assert len(gate.tried) == 1


def test_a_second_key_is_offered_when_the_first_is_refused(tmp_path: Path) -> None:
    wrong, right = make_key(tmp_path / "wrong"), make_key(tmp_path / "right")
    gate = Gate(keys=(right,))
    assert log_in(tmp_path, gate, wrong, right).authentication == "publickey"
    assert list(dict.fromkeys(gate.tried)) == [
        asyncssh.read_public_key(f"{key}.pub").get_fingerprint() for key in (wrong, right)
    ]


@pytest.mark.parametrize("with_key", [True, False])
def test_a_host_that_takes_no_keys_still_asks_for_the_password_once(tmp_path: Path, with_key: bool) -> None:
    person = ScriptedPerson(secrets=["let me in"])
    gate = Gate(password="let me in")
    keys = (make_key(tmp_path / "mine"),) if with_key else ()
    assert log_in(tmp_path, gate, *keys, dialogue=person).authentication == "password"
    assert gate.tried == ["password"]


def test_a_refused_key_is_followed_by_the_password(tmp_path: Path) -> None:
    person = ScriptedPerson(secrets=["let me in"])
    gate = Gate(keys=(make_key(tmp_path / "other"),), password="let me in")
    assert log_in(tmp_path, gate, make_key(tmp_path / "mine"), dialogue=person).authentication == "password"
    assert gate.tried[-1] == "password"


def test_who_has_no_key_is_refused_as_ever(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationProblem):
        log_in(tmp_path, Gate(keys=(make_key(tmp_path / "other"),)))


def test_a_host_that_is_open_to_all_lets_us_in(tmp_path: Path) -> None:
    log_in(tmp_path, Gate(open_to_all=True), make_key(tmp_path / "mine"))
