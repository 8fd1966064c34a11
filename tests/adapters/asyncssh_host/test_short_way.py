"""The short way through asyncssh beside asyncssh as it is: over random traffic both see and say the same."""

import logging
from pathlib import Path
from unittest import mock

import asyncssh
import pytest
from tests.support.base.loop import run
from tests.support.short_way.cases import make_case
from tests.support.short_way.compare import difference, play
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.asyncssh_host.short_way.lean_connection import PROVEN, LeanConnection
from remora.core.errors import ConfigProblem
from remora.core.settings import read_settings
from remora.flows.kit.unattended import UnattendedDialogue

_BATCH = 25
_BATCHES = 16


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
    assert spoilt == {"flip", "truncate", "replay", "swap", "drop"}
    assert {case.compressed for case in cases} == {case.bare for case in cases} == {True, False}
    told = [play(case, short=True) for case in cases[:60]]
    assert {transcript.ended is None for transcript in told} == {True, False}
    assert any("MACError" in (transcript.ended or "") for transcript in told)
    assert any(event[0] == "data" for transcript in told for log in transcript.channels for event in log)
    assert not any(transcript.allowed_too_much for transcript in told)


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
    assert "asyncssh 2.24.99 takes its own way" in caplog.text


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
