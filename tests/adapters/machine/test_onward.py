"""Connections from this machine to elsewhere, and the key that it keeps."""

import asyncio
import socket
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.network.echo_socket import echo_port
from tests.support.sshd.system_sshd import free_port

from remora.adapters.machine.onward import SystemOnward
from remora.adapters.records.own_key import own_key
from remora.core.errors import Code, ConfigProblem, RemoraError
from remora.core.link.egress import read_destination
from remora.testing.expectations import expect, expect_echo, noise


def addresses() -> list[str]:
    """Those of IPv4 that this machine has."""
    return [str(place[4][0]) for place in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]


def anything(address: str, *, is_own: bool) -> bool:
    return True


def nothing(address: str, *, is_own: bool) -> bool:
    return False


def foreign(address: str, *, is_own: bool) -> bool:
    return not is_own


async def test_what_was_named_itself_is_reached_both_ways() -> None:
    async with echo_port() as port:
        for host in ("127.0.0.1", "localhost"):
            admit = read_destination(f"{host}:{port}").admits
            await expect_echo(await SystemOnward().connect(host, port, admit=admit), noise(500_000))


async def test_a_name_that_means_what_may_not_be_reached_is_refused_without_connecting() -> None:
    async with echo_port() as port:
        error = await expect(Code.EGRESS_REFUSED, SystemOnward().connect("localhost", port, admit=nothing))
        assert str(port) in error.next_step


async def test_a9_an_address_of_this_machine_is_known_as_its_own() -> None:
    own = next((each for each in addresses() if not each.startswith("127.")), None)
    async with echo_port() as port:
        for host in ("127.0.0.1", *filter(None, [own])):
            await expect(Code.EGRESS_REFUSED, SystemOnward().connect(host, port, admit=foreign))


def test_nobody_there_and_no_such_name_are_told_apart() -> None:
    async def go() -> list[RemoraError]:
        onward = SystemOnward()
        return [
            await expect(Code.CONNECTION_REFUSED, onward.connect("127.0.0.1", free_port(), admit=anything)),
            await expect(Code.NAME_NOT_FOUND, onward.connect("nobody.invalid", 443, admit=anything)),
        ]

    assert ["refused" in str(error.message) for error in run(go())] == [True, False]


def test_the_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state/remora"

    async def go() -> set[bytes]:
        return set(await asyncio.gather(*(asyncio.to_thread(own_key, folder) for _ in range(8))))

    (key,) = run(go())
    assert len(key) == 32
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert own_key(folder) == key
    file.write_bytes(b"cut off")
    assert len(own_key(folder)) == 32


def test_a_key_that_cannot_be_kept_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigProblem) as caught:
        own_key(tmp_path / "file")
    assert caught.value.code is Code.PLACE_UNUSABLE
