"""The staged proof: over real SSH with codexes good and bad, and with hosts that refuse in every way."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.fake_codex import Fault, install

from remora import wiring
from remora.core.errors import (
    AuthenticationProblem,
    Code,
    HostKeyProblem,
    RemoraError,
    Stage,
    Unreachable,
)
from remora.core.host.hosts import Host, Route
from remora.core.readiness.checks import PROOF
from remora.core.server.launch_plan import LaunchRequest
from remora.core.settings import Limits, Settings
from remora.demo.embedded_host import EmbeddedHost, embedded_host
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.readiness.check import check_hosts
from remora.flows.server.connect import connect_server
from remora.ports import World
from remora.testing.memory_host import MemoryDialler, MemoryHost
from remora.testing.memory_resolver import MemoryResolver
from remora.wire.reports.check import CheckReport, HostCheck, StageProven

LIMITS = Limits(shell_silence=10.0, probe=15.0, launch=15.0, handshake=2.0)
LOGIN = "OPENAI_API_KEY"


async def checked(
    aliases: Sequence[str], world: World, *, codex: str | None = None
) -> tuple[CheckReport, list[object]]:
    """The report, and everything that came before it."""
    async with aclosing(
        check_hosts(aliases, world, UnattendedDialogue(), codex=dict.fromkeys(aliases, codex) if codex else {})
    ) as steps:
        came: list[object] = [step async for step in steps]
    report = came.pop()
    assert isinstance(report, CheckReport)
    return report, came


def outcomes(check: HostCheck) -> dict[str, str]:
    return {stage.stage: stage.outcome for stage in check.stages}


def only_error(check: HostCheck) -> tuple[str, str]:
    """The one failed stage and its code."""
    (failed,) = (stage for stage in check.stages if stage.error is not None)
    assert failed.error is not None
    assert failed.error.next
    assert failed.error.host == check.alias
    return failed.stage, failed.error.code


def tree(folder: Path) -> set[tuple[str, int]]:
    """Every file below `folder`, with its size."""
    return {(str(path), path.lstat().st_size) for path in folder.rglob("*")}


def on_embedded_host(
    prepare: Callable[[EmbeddedHost], object], *, signed_in: bool = True, codex: str | None = None
) -> tuple[HostCheck, EmbeddedHost]:
    """Check one embedded host; it must be left as it was."""

    async def scene() -> tuple[HostCheck, EmbeddedHost]:
        async with embedded_host(environment={LOGIN: "secret"} if signed_in else {}) as host:
            prepare(host)
            before = tree(host.home.parent)
            world = wiring.default_world(str(host.ssh_config), settings=Settings(limits=LIMITS))
            report, _ = await checked([host.alias], world, codex=codex)
            assert {name for name, _ in tree(host.home.parent) - before if "__pycache__" not in name} == set()
            assert len(host.logins) == 1
            return report.hosts[0], host

    return run(scene())


def codex_on(host: EmbeddedHost, fault: Fault = Fault.NONE) -> Path:
    return install(host.home / ".local/bin/codex", fault)


def test_a_good_host_is_ready_over_one_login_and_nothing_is_started_or_left() -> None:
    check, host = on_embedded_host(lambda host: codex_on(host))
    assert check.ok
    assert [stage.stage for stage in check.stages] == list(PROOF)
    assert outcomes(check)[Stage.HANDSHAKE] == "skipped"
    assert outcomes(check)[Stage.PROVISION] == "skipped"
    others = (Stage.HANDSHAKE, Stage.PATH, Stage.PROVISION)
    assert {stage.outcome for stage in check.stages if stage.stage not in others} == {"ok"}
    (candidate,) = check.codex
    assert (candidate.path, candidate.version, candidate.chosen) == (
        str(host.home / ".local/bin/codex"),
        "0.999.0",
        True,
    )
    assert any("app-server --listen" in step for step in check.plan)
    timed = {stage.stage for stage in check.stages if stage.seconds is not None}
    assert set(PROOF[: PROOF.index(Stage.SHELL) + 1]) <= timed
    assert "secret" not in repr(check)


def test_without_codex_the_host_is_proven_up_to_that_stage() -> None:
    check, _ = on_embedded_host(lambda host: None)
    assert only_error(check) == (Stage.CODEX, Code.CODEX_MISSING)
    assert outcomes(check)[Stage.PATH] == "ok"
    assert outcomes(check)[Stage.LAUNCH] == "skipped"
    assert check.plan == []


def test_all_candidates_are_listed_with_what_is_wrong_with_them() -> None:
    def prepare(host: EmbeddedHost) -> None:
        codex_on(host)
        (host.home / "bin").mkdir()
        (host.home / "bin/codex").symlink_to("/nowhere")

    check, _ = on_embedded_host(prepare)
    assert check.ok
    assert [candidate.chosen for candidate in check.codex].count(True) == 1
    assert any(candidate.problem for candidate in check.codex)


def test_a_codex_without_app_server_is_named() -> None:
    check, _ = on_embedded_host(lambda host: codex_on(host, Fault.NO_APP_SERVER))
    assert only_error(check) == (Stage.CODEX, Code.CODEX_UNSUPPORTED)


def test_without_a_login_the_stages_behind_it_are_still_proven() -> None:
    check, _ = on_embedded_host(lambda host: codex_on(host), signed_in=False)
    assert only_error(check) == (Stage.LOGIN, Code.LOGIN_MISSING)
    assert outcomes(check)[Stage.LAUNCH] == "ok"


async def test_a_running_server_answers_and_tells_its_login_and_goes_on() -> None:
    async with embedded_host(environment={LOGIN: "secret"}) as host:
        codex_on(host)
        world = wiring.default_world(str(host.ssh_config), settings=Settings(limits=LIMITS))
        async with connect_server(host.alias, LaunchRequest(), world, UnattendedDialogue()) as server:
            process = await server.rpc.request("process")
        report, _ = await checked([host.alias], world)
        check = report.hosts[0]
        assert outcomes(check)[Stage.HANDSHAKE] == "ok"
        async with connect_server(host.alias, LaunchRequest(), world, UnattendedDialogue()) as server:
            assert await server.rpc.request("process") == process


async def test_a_listener_that_never_answers_fails_the_handshake_and_is_left_alone() -> None:
    async with embedded_host(environment={LOGIN: "secret"}) as host:
        codex_on(host)
        path = host.home / ".codex/app-server-control/app-server-control.sock"
        path.parent.mkdir(parents=True, mode=0o700)
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(path))
            mute.listen()
            report, _ = await checked(
                [host.alias], wiring.default_world(str(host.ssh_config), settings=Settings(limits=LIMITS))
            )
            assert path.is_socket()
        (check,) = report.hosts
        assert outcomes(check)[Stage.HANDSHAKE] == "failed"
        assert not check.ok


def test_a_socket_that_nobody_listens_on_is_no_failure() -> None:
    def prepare(host: EmbeddedHost) -> None:
        codex_on(host)
        path = host.home / ".codex/app-server-control/app-server-control.sock"
        path.parent.mkdir(parents=True, mode=0o700)
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(path))

    check, _ = on_embedded_host(prepare)
    assert check.ok


def world_of(make: Callable[[Route], MemoryHost], *, parallel: int = 16) -> World:
    """A world whose hosts are made by `make`; nothing of this machine is touched."""
    world = wiring.default_world("none", settings=Settings(limits=replace(LIMITS, check_parallel=parallel)))
    return replace(world, config=None, resolver=MemoryResolver(), dialler=MemoryDialler(make))


FAILURES: dict[str, Callable[[], RemoraError]] = {
    "unreachable": lambda: Unreachable(Code.CONNECTION_REFUSED, "Refused.", next_step="Start sshd."),
    "nameless": lambda: Unreachable(Code.NAME_NOT_FOUND, "No name.", next_step="Check it."),
    "stranger": lambda: HostKeyProblem(Code.HOST_KEY_CHANGED, "Changed.", next_step="Compare."),
    "locked": lambda: AuthenticationProblem(Code.AUTHENTICATION_REFUSED, "No.", next_step="Add the key."),
    "locked-too": lambda: AuthenticationProblem(Code.TOO_MANY_KEYS, "No.", next_step="IdentitiesOnly."),
}


def failing(route: Route) -> MemoryHost:
    alias = route.target.alias
    if alias == "bug":
        raise ZeroDivisionError
    problem = FAILURES[alias]()
    raise problem


@pytest.mark.parametrize(
    ("alias", "stage"),
    [
        ("nameless", Stage.NAME),
        ("unreachable", Stage.ROUTE),
        ("stranger", Stage.HOST_KEY),
        ("locked", Stage.AUTHENTICATION),
    ],
)
def test_a_refused_connection_counts_against_its_stage(alias: str, stage: Stage) -> None:
    report, _ = run(checked([alias], world_of(failing)))
    (check,) = report.hosts
    assert only_error(check)[0] == stage
    place = PROOF.index(stage)
    assert {outcomes(check)[before] for before in PROOF[:place]} == {"ok"}
    assert {outcomes(check)[after] for after in PROOF[place + 1 :]} == {"skipped"}
    assert report.exit_code == FAILURES[alias]().exit_code


def test_one_bad_host_stops_no_other_and_the_report_keeps_the_order_asked() -> None:
    aliases = ["locked", "bug", "unreachable", "locked"]
    report, came = run(checked(aliases, world_of(failing)))
    assert [host.alias for host in report.hosts] == ["locked", "bug", "unreachable"]
    assert report.exit_code == 13
    assert only_error(report.hosts[1])[1] == Code.INTERNAL
    done = [step.alias for step in came if isinstance(step, HostCheck)]
    assert sorted(done) == ["bug", "locked", "unreachable"]
    told = [step for step in came if isinstance(step, StageProven) and step.alias == "locked"]
    assert [step.stage.stage for step in told] == list(PROOF)


def test_hosts_that_fail_alike_give_their_own_exit_code() -> None:
    report, _ = run(checked(["locked", "locked-too"], world_of(failing)))
    assert report.exit_code == 6
    assert not report.ok


def test_no_more_hosts_than_the_limit_are_checked_at_once() -> None:
    busy, most = 0, 0

    class Slow(MemoryResolver):
        async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            for _ in range(5):
                await asyncio.sleep(0)
            busy -= 1
            return await super().resolve(alias, user=user, port=port)

    world = replace(world_of(lambda route: failing(_as_locked(route)), parallel=3), resolver=Slow())
    report, _ = run(checked([f"host{number}" for number in range(12)], world))
    assert len(report.hosts) == 12
    assert most == 3


def test_stopping_early_leaves_nothing_running() -> None:
    async def scene() -> None:
        hanging = asyncio.Event()

        class Hangs(MemoryResolver):
            async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
                if alias == "slow":
                    with suppress(TimeoutError):
                        await hanging.wait()
                return await super().resolve(alias, user=user, port=port)

        world = replace(world_of(failing), resolver=Hangs())
        async with aclosing(check_hosts(["slow", "locked"], world, UnattendedDialogue(), codex={})) as steps:
            await anext(steps)

    run(scene())


def _as_locked(route: Route) -> Route:
    return replace(route, target=replace(route.target, alias="locked"))
