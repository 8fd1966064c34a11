"""The short way through asyncssh beside asyncssh as it is: over random traffic both see and say the same."""

import logging
from pathlib import Path
from typing import Any, Final
from unittest import mock

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_SUCCESS,
)
from asyncssh.packet import Boolean, Byte, NameList, String, UInt32
from tests.support.base.loop import run
from tests.support.short_way.cases import CIPHERS, Case, make_case
from tests.support.short_way.compare import difference, play
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.asyncssh_host.short_way.lean_connection import PROVEN, LeanConnection
from remora.core.errors import ConfigProblem
from remora.core.settings import read_settings
from remora.flows.kit.unattended import UnattendedDialogue

_BATCH = 25
_BATCHES = 16
_GCM: Final = "aes128-gcm@openssh.com"
_CHACHA: Final = "chacha20-poly1305@openssh.com"
_SEALED: Final = 4 + 32 + 16
"""Bytes of the packet that carries `_SHORT`: its length, what is encrypted, and what authenticates it."""
_SHORT: Final = b"short"
_AFTER: Final[tuple[tuple[Any, ...], ...]] = (
    ("row", tuple((0, b"after %d" % number) for number in range(4))),
    ("go", 0.3),
    ("write eof", 1),
    ("data", 0, bytes(300)),
)
"""What comes after a packet that is not as it should be, and what the client does meanwhile."""


def _case(cipher: str, *steps: tuple[Any, ...], seed: int = 1, **other: Any) -> Case:
    """A case with those steps, and nothing else of note."""
    return Case(
        **{
            "seed": seed,
            "cipher": cipher,
            "compressed": False,
            "bare": True,
            "login": "open",
            "says_openssh": True,
            "says_signatures_twice": False,
            "says_ahead": None,
            "login_share": 1.0,
            "windows": (2**22, 2**16, 3000),
            "steps": steps,
            **other,
        }
    )


@pytest.mark.parametrize("batch", range(_BATCHES))
def test_random_traffic_whole_or_spoiled_is_the_same_on_both_ways(batch: int) -> None:
    """An hour of it: scripts/bench fuzz."""
    for seed in range(batch * _BATCH, (batch + 1) * _BATCH):
        found = difference(make_case(seed))
        assert found is None, f"case {seed}: {found}"


def test_the_cases_have_what_they_are_to_have() -> None:
    cases = [make_case(seed) for seed in range(_BATCH * _BATCHES)]
    steps = {step[0] for case in cases for step in case.steps}
    assert steps >= {"data", "row", "extended", "new keys", "new keys from the client", "malformed", "spoil next"}
    spoilt = {step[1] for case in cases for step in case.steps if step[0] == "spoil next"}
    assert spoilt == {"flip", "truncate", "insert", "replay", "swap", "drop"}
    assert steps >= {"raw", "spoil after new keys"}
    for name in ("compressed", "bare", "says_openssh", "says_signatures_twice"):
        assert {getattr(case, name) for case in cases} == {True, False}, name
    assert {(case.compressed, min(case.windows)) for case in cases} >= {(True, 1), (False, 1)}
    told = [play(case, short=True) for case in cases[:60]]
    assert {transcript.ended is None for transcript in told} == {True, False}
    assert any("MACError" in (transcript.ended or "") for transcript in told)
    assert any(event[0] == "data" for transcript in told for log in transcript.channels for event in log)
    assert any(kind == MSG_CHANNEL_WINDOW_ADJUST for transcript in told for kind, _ in transcript.heard_by_server)


@pytest.mark.parametrize("kept", [2, 3])
def test_a_number_is_a_case_where_the_keys_decide_how_long_a_cut_packet_is(kept: int) -> None:
    """ChaCha20-Poly1305 encrypts lengths: of a cut packet the next one's bytes say it, so each play had another one."""
    ends = set()
    steps = ("spoil next", "truncate", 0.0, kept), ("data", 0, _SHORT), ("go", 1.0), ("data", 0, bytes(32_000)), *_AFTER
    for seed in range(12):
        case = _case(_CHACHA, *steps, seed=seed)
        first = play(case, short=True)
        assert first == play(case, short=True), f"case {seed}"
        assert first == play(case, short=False), f"case {seed}"
        ends.add(first.ended)
    refused, waits = "MACError: MAC verification failed", None
    assert ends == ({refused, waits} if kept == 2 else {refused})


def test_what_the_server_writes_depends_on_the_number() -> None:
    written = {play(_case(_GCM, ("data", 0, _SHORT), seed=seed), short=True).written_by_server for seed in range(3)}
    assert len(written) == 3


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_packet_cut_at_any_byte_ends_both_ways_alike(cipher: str) -> None:
    for kept in range(_SEALED):
        cut = ("spoil next", "truncate", 0.0, kept), ("data", 0, _SHORT), *_AFTER
        found = difference(_case(cipher, ("data", 0, b"before"), ("go", 1.0), *cut))
        assert found is None, f"{kept} bytes: {found}"


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("asked_by", ["new keys", "new keys from the client"])
@pytest.mark.parametrize("packet", [0, 1, 2])
def test_a_packet_changed_right_after_new_keys_ends_both_ways_alike(cipher: str, asked_by: str, packet: int) -> None:
    rekeying = ("data", 0, b"before"), ("go", 1.0), (asked_by,), ("write", 1, b"now"), ("go", 1.0)
    for byte in (0, 3, 4, 12, -17, -1):
        begins = (*rekeying[:2], ("spoil after new keys", "flip", packet, byte), *rekeying[2:4])
        case = _case(cipher, *begins, *(("data", 0, _SHORT),) * 3, ("go", 0.3), *_AFTER)
        found = difference(case)
        assert found is None, f"byte {byte}: {found}"


def test_a_packet_changed_right_after_new_keys_is_refused_on_the_short_way() -> None:
    spoiling = ("spoil after new keys", "flip", 1, -1)
    told = play(_case(_GCM, ("new keys",), spoiling, *(("data", 0, _SHORT),) * 3, ("go", 1.0)), short=True)
    assert told.ended == "MACError: MAC verification failed"
    assert told.channels[0][0] == ("data", None, _SHORT), "the first packet was as it should be"


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("cut", range(17))
def test_a_packet_too_short_to_be_one_is_refused_on_both_ways(cut: int, followed: bool) -> None:
    """RFC 4253 allows none below 16 bytes; asyncssh refuses them where more bytes are there already."""
    inside = (Byte(1) + Byte(MSG_CHANNEL_DATA) + UInt32(0) + String(b"12345") + b"\0")[:cut]
    case = _case(_GCM, ("data", 0, b"before"), ("raw", inside), *(_AFTER if followed else ()))
    assert difference(case) is None


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4, 5, 255])
@pytest.mark.parametrize("said", [None, 0, 255])
def test_odd_padding_is_taken_or_refused_as_asyncssh_does(padding: int, said: int | None) -> None:
    content = Byte(MSG_CHANNEL_DATA) + UInt32(0) + String(b"twelve bytes")
    inside = Byte(padding if said is None else said) + content + bytes(padding)
    assert difference(_case(_GCM, ("data", 0, b"before"), ("raw", inside), *_AFTER)) is None


@pytest.mark.parametrize("compressed", [False, True])
def test_a_window_of_one_byte_takes_one_byte_at_a_time_on_both_ways(compressed: bool) -> None:
    row = tuple((channel, b"x") for channel in (0, 0, 2, 0, 1, 1, 0))
    narrow = _case(_GCM, ("row", row), ("go", 0.1), ("row", row * 3), windows=(1, 7, 64), compressed=compressed)
    assert difference(narrow) is None
    assert play(narrow, short=True).channels[0][0] == ("data", None, b"x" * 16)
    beyond = _case(_GCM, ("row", (*row, (0, b"xx"))), windows=(1, 7, 64), compressed=compressed)
    assert difference(beyond) is None
    assert play(beyond, short=True).ended == "ProtocolError: Window exceeded"


@pytest.mark.parametrize("paused", [False, True])
def test_a_row_of_packets_is_followed_by_the_same_window_as_one_after_the_other(paused: bool) -> None:
    """Of 7 bytes the host has 1, 1, 2 and 1; it is allowed 4 more after the third, so the next 7 are too many."""
    row = tuple((0, bytes(size)) for size in (1, 1, 2, 1))
    begins = ("pause", 0) if paused else ("resume", 0)
    for last in (1, 2, 3, 6, 7):
        case = _case(_GCM, begins, ("row", row), ("row", ((0, bytes(last)),)), ("go", 1.0), windows=(7, 7, 7))
        assert difference(case) is None, last
        told = play(case, short=True)
        assert (told.ended == "ProtocolError: Window exceeded") is (last > (2 if paused else 6)), last
        adjusted = [content[5:] for kind, content in told.heard_by_server if kind == MSG_CHANNEL_WINDOW_ADJUST]
        assert adjusted[:1] == ([] if paused else [UInt32(4)]), last


@pytest.mark.parametrize("share", [1.0, 0.3, 0.01])
@pytest.mark.parametrize("login", ["open", "key", "second key", "password", "denied"])
def test_a_host_that_says_twice_which_signatures_it_knows_is_asked_once(login: str, share: float) -> None:
    case = _case(_GCM, ("data", 0, _SHORT), login=login, login_share=share, says_signatures_twice=True)
    assert difference(case) is None
    assert (play(case, short=True).login == "in") is (login != "denied")


@pytest.mark.parametrize(
    ("answer", "kind", "content"),
    [
        ("success", MSG_USERAUTH_SUCCESS, b""),
        ("failure", MSG_USERAUTH_FAILURE, NameList([b"publickey", b"password"]) + Boolean(False)),
    ],
    ids=["success", "failure"],
)
@pytest.mark.parametrize("share", [1.0, 0.01])
@pytest.mark.parametrize("login", ["open", "key", "password"])
def test_an_answer_to_a_login_before_the_host_takes_one_is_refused_on_both_ways(
    login: str, share: float, answer: str, kind: int, content: bytes
) -> None:
    case = _case(_GCM, login=login, login_share=share, says_ahead=(kind, content))
    for short in (False, True):
        assert play(case, short=short).login == f"ProtocolError: Unexpected userauth {answer} response"


class _Noted(asyncssh.SSHClient):
    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        LeanConnection.adopt(conn)


async def _kind(server: SystemSshd) -> type:
    """What a connection is after it was asked to take the short way."""
    connecting = asyncssh.connect(
        "127.0.0.1",
        server.port,
        username=server.user,
        client_keys=[str(server.identity)],
        known_hosts=None,
        config=None,
        agent_path=None,
        client_factory=_Noted,
    )
    async with connecting as connection:
        return type(connection)


@pytest.mark.sshd
def test_a_version_of_asyncssh_that_was_not_proven_takes_its_own_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncssh.__version__ in PROVEN
    with SystemSshd(tmp_path) as server:
        assert run(_kind(server)) is LeanConnection
        caplog.set_level(logging.DEBUG, logger="remora")
        with mock.patch.object(asyncssh, "__version__", "2.24.99"):
            assert run(_kind(server)) is asyncssh.SSHClientConnection
    assert "asyncssh 2.24.99 uses the standard connection" in caplog.text


@pytest.mark.sshd
@pytest.mark.parametrize("short_way", [True, False])
def test_the_setting_leaves_asyncssh_as_it_is(tmp_path: Path, short_way: bool) -> None:
    async def work(server: SystemSshd) -> type:
        dialler = AsyncsshDialler(short_way=read_settings({"ssh": {"short_way": short_way}}, source="here").short_way)
        async with dialler.dial(server.route(), UnattendedDialogue()) as host:
            process = await host.start(["echo", "there"])
            assert await process.read() == b"there\n"
            return type(host._connection)  # type: ignore[attr-defined]

    with SystemSshd(tmp_path) as server:
        assert run(work(server)) is (LeanConnection if short_way else asyncssh.SSHClientConnection)


@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_setting_that_is_not_understood_is_refused(value: object) -> None:
    with pytest.raises(ConfigProblem, match="short_way"):
        read_settings({"ssh": {"short_way": value}}, source="config.toml")
    with pytest.raises(ConfigProblem, match="short_way"):
        read_settings({"hosts": {"devbox": {"short_way": True}}}, source="config.toml")


def test_the_setting_reaches_the_hub_with_each_host() -> None:
    settings = read_settings({"ssh": {"short_way": False}, "hosts": {"devbox": {}}}, source="config.toml")
    assert [settings.host(alias).short_way for alias in ("devbox", "other")] == [False, False]
    assert read_settings({}, source="config.toml").host("devbox").short_way
