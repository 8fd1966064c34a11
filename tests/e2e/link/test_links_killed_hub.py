"""The hub is killed while programs are attached: it is there again by itself, and they lose nothing."""

import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until, until_none
from tests.support.codex.attached import AttachedHost, attached_host
from tests.support.codex.binaries import NEWEST, codex_binary, trust_folder
from tests.support.link.chain import ALIAS, ALWAYS, Chain, chain
from tests.support.model.waiting_turn import waiting_turn
from tests.support.screen.tmux import Tmux

from remora.demo.scripted_model import Gate, Say, ScriptedModel, Step, Wait

pytestmark = [pytest.mark.sshd, pytest.mark.codex, pytest.mark.timeout(180)]

INITIALIZE = {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "version": "1"}}}
SDK = """
import sys
from openai_codex import Codex, CodexConfig
with Codex(CodexConfig(launch_args_override=("remora", "bridge", "devbox"))) as codex:
    thread = codex.thread_start(cwd=sys.argv[1])
    for event in thread.turn("please").stream():
        print(event.method, flush=True)
    print(thread.read(include_turns=True).thread.turns[-1].items[-1].root.text)
"""
BRIDGE = (sys.executable, "-m", "remora", "bridge", "devbox")


def kill_hub(host: AttachedHost) -> int:
    """Its number."""
    pid = host.hub.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def link(host: AttachedHost) -> dict[str, object]:
    """The only link; empty without one."""
    links = host.hub.document("status")["links"]
    return dict(links[0]) if links else {}


async def ask(process: Process, number: int) -> dict[str, object]:
    """Ask for the threads, and wait for the answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"id": number, "method": "thread/list", "params": {}}).encode() + b"\n")
    while line := await process.stdout.readline():
        answer: dict[str, object] = json.loads(line)
        if answer.get("id") == number:
            return answer
    raise AssertionError("the bridge ended")


async def begin(process: Process) -> None:
    """Shake hands with the app server."""
    assert process.stdin is not None
    for line in (INITIALIZE, {"method": "initialized"}):
        process.stdin.write(json.dumps(line).encode() + b"\n")
    assert "result" in await ask(process, 2)


def test_the_official_sdk_goes_on_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    pytest.importorskip("openai_codex")
    gate = Gate()
    steps: list[Step] = [Say("One, two.", ends_turn=False, piece=2), Wait(gate), Say("And the end.", piece=2)]
    with attached_host(steps, tmp_path) as host:

        async def go() -> list[str]:
            async with host.started(sys.executable, "-c", SDK, str(host.project)) as process:
                await gate.reached()
                before = kill_hub(host)
                await until(lambda: host.hub.pid not in {None, before}, what="another hub")
                await until(lambda: link(host).get("clients") == 1, what="the bridge is attached again")
                kill_hub(host)
                gate.open()
                written, complaints = await process.communicate()
                assert process.returncode == 0, complaints
                assert complaints == b""
                return written.decode().splitlines()

        lines = run(go())
        assert lines.count("turn/completed") == 1
        assert lines[-1] == "And the end."
        assert host.sshd.accepted_logins() == 3
        assert (link(host)["liveness"], link(host)["clients"]) == ("live", 0)


@pytest.mark.parametrize("version", ["0.163.0", NEWEST])
def test_the_terminal_client_stays_the_turn_goes_on_and_the_approval_can_be_answered(version: str) -> None:
    gate = Gate()
    binary = codex_binary(version)

    async def talk(way: Chain, terminal: Tmux) -> None:
        await terminal.shows("Ask Codex to do anything")
        terminal.type("please")
        await terminal.shows("› please")
        terminal.press("Enter")
        await gate.reached()
        await killed(way, gate.open)
        await terminal.shows("Beta was said meanwhile.")
        await terminal.shows("May I leave a mark?")
        await killed(way)
        terminal.type("y")
        await terminal.shows("Omega ends.")
        assert terminal.lives

    def furnish(codex_home: Path) -> None:
        model.furnish(codex_home, 'approval_policy = "on-request"\nsandbox_mode = "workspace-write"')
        trust_folder(codex_home, codex_home.parent / "work")

    with ScriptedModel(waiting_turn(gate)) as model, chain(binary, furnish=furnish) as way:
        way.connect()
        model.furnish(way.folder / "laptop")
        environment = {**way.place.environment, "CODEX_HOME": str(way.folder / "laptop")}
        words = [sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary)]
        with Tmux(words, environment=environment) as terminal:
            run(talk(way, terminal))
        assert (way.sshd.home / "work/granted").exists()
        found = way.host_processes()
        assert (len(found.app_servers), len(found.relays)) == (1, 1)


async def killed(way: Chain, meanwhile: object = None) -> None:
    """Kill the hub; wait until there is another one, with somebody attached."""
    hub = way.place.pid
    assert hub is not None
    os.kill(hub, signal.SIGKILL)
    if callable(meanwhile):
        meanwhile()

    def is_back() -> bool:
        links = way.place.document("status")["links"]
        return [(link["clients"], link["liveness"]) for link in links] == [(1, "live")] and way.place.pid != hub

    await until(is_back, what="another hub, and its link in use")


def test_f53_of_a_killed_hub_and_a_killed_client_nothing_is_left_once_the_server_was_stopped() -> None:
    short = f"[limits]\nlease_idle = 1\n{ALWAYS}"

    async def talk(way: Chain) -> None:
        process = await asyncio.create_subprocess_exec(
            *BRIDGE,
            env={**os.environ, **way.place.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        await begin(process)
        process.send_signal(signal.SIGSTOP)  # else it starts another hub
        hub = way.place.pid
        assert hub is not None
        os.kill(hub, signal.SIGKILL)
        process.kill()
        await process.communicate()
        (server,) = way.host_processes().app_servers
        os.kill(server, signal.SIGTERM)
        await until_none(way.sshd.session_commands, what="an empty host")

    with chain(codex_binary(NEWEST), settings=short) as way:
        way.connect()
        run(talk(way))


def test_a_link_that_needs_a_person_then_says_so_and_goes_on_when_one_has_come(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:
        known_hosts = Path(host.sshd.known_hosts)
        keys = known_hosts.read_bytes()

        async def go() -> None:
            async with host.started(*BRIDGE) as process:
                assert process.stdin is not None
                assert process.stderr is not None
                await begin(process)
                known_hosts.write_bytes(b"")
                kill_hub(host)
                assert (
                    b"is not known: nobody can confirm it (no terminal, or --no-input)"
                    in await process.stderr.readline()
                )
                assert link(host)["liveness"] == "needs-human"
                logins = host.sshd.accepted_logins()
                known_hosts.write_bytes(keys)
                answer = asyncio.ensure_future(ask(process, 3))
                assert host.sshd.accepted_logins() == logins
                assert (await asyncio.to_thread(host.hub.run, "connect", "devbox")).returncode == 0
                assert "result" in await answer
                process.stdin.close()
                assert await process.wait() == 0

        run(go())


@pytest.mark.parametrize("words", [("disconnect", "devbox"), ("hub", "stop")])
def test_what_was_meant_to_end_ends_the_bridge_with_a_clear_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:

        async def go() -> None:
            async with host.started(*BRIDGE) as process:
                await begin(process)
                assert (await asyncio.to_thread(host.hub.run, *words)).returncode == 0
                _, complaints = await process.communicate()
                assert process.returncode == 9, complaints
                assert b"link-missing" in complaints
                assert b"remora connect devbox" in complaints

        run(go())
        assert (host.hub.pid is None) is (words == ("hub", "stop"))


def test_f65_a_bridge_goes_over_to_the_hub_that_took_the_place_of_its_own(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:

        async def go() -> None:
            async with host.started(*BRIDGE) as process:
                assert process.stdin is not None
                await begin(process)
                before = host.hub.pid
                assert before is not None
                os.kill(before, signal.SIGSTOP)  # else it makes its folder again before anybody looks
                await asyncio.to_thread(shutil.rmtree, host.hub.places.folder)
                connected = await asyncio.to_thread(host.hub.run, "connect", "devbox")
                os.kill(before, signal.SIGCONT)
                assert connected.returncode == 0, connected.stderr
                assert host.hub.pid != before
                await until(lambda: not Path(f"/proc/{before}").exists(), what="the older hub ends")
                assert "result" in await ask(process, 3)
                process.stdin.close()
                assert await process.wait() == 0

        run(go())
