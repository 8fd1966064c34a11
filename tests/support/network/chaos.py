"""Breaks at random points under load, and the proof that nobody lost anything: real threads and a counted stream."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.support.base.until import until
from tests.support.codex.binaries import codex_binary
from tests.support.link.chain import ALIAS, ALWAYS, Chain, chain
from tests.support.network.counted_stream import CountedBytes, CountedCheck
from tests.support.network.echo_socket import echo_port
from tests.support.network.faults import Fault, random_fault

from remora.adapters.files.disk_spool import DiskSpool
from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import ExitCode, RemoraError
from remora.core.settings import DEFAULT_LIMITS
from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step
from remora.flows.server.rpc import open_rpc
from remora.wire.appserver.calls import items_list, turns_list
from remora.wire.appserver.jsonrpc import Framing

CODEX: Final = "0.163.0"
KEEPALIVE: Final = ("ServerAliveInterval 1", "ServerAliveCountMax 2")
_TEXTS: Final = ("I begin, word by word, and say a little more than needed.", "Now the end.")
_LINES: Final = 40
_STEPS: Final[list[Step]] = [
    Say(_TEXTS[0], ends_turn=False, piece=3),
    RunCommand(f"for i in $(seq {_LINES}); do echo line $i; sleep 0.02; done"),
    Say(_TEXTS[1], piece=3),
]
_EXPECTED: Final = [_TEXTS[0], "".join(f"line {number + 1}\n" for number in range(_LINES)), _TEXTS[1]]
_PATIENT: Final = replace(DEFAULT_LIMITS, request=120.0)
_BLOCK: Final = 20_000
_WINDOW: Final = 200_000
_PACE: Final = 0.004
_POINTS: Final = 300_000
_PROOF: Final = 100_000
"""Bytes of the counted stream that have to come back before a break counts as got over."""
_PAGE: Final = 100
_RECOVERY_LIMIT: Final = 60.0
_QUIET_LIMIT: Final = 60.0
_Story = tuple[str, str, str]
"""Of an item: its kind, its id, and its whole text."""


@dataclass(slots=True)
class Verdict:
    """What came of it. `faults` says what was wrong; empty is what it has to be."""

    seed: int
    breaks: Counter[str] = field(default_factory=Counter)
    connections_lost: int = 0
    recovery: list[float] = field(default_factory=list)
    echoed: int = 0
    turns: Counter[str] = field(default_factory=Counter)
    items: int = 0
    descriptors: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def run_chaos(
    breaks: int,
    *,
    seed: int,
    workers: int = 2,
    tell: Callable[[str], None] = lambda line: None,
    base: Path | None = None,
) -> Verdict:
    """Break the connection so many times at points that `seed` chooses, and prove that nothing came of it."""
    verdict = Verdict(seed)
    began = time.monotonic()
    with ScriptedModel(_STEPS) as model:
        settings = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"'
        with chain(
            codex_binary(CODEX),
            furnish=lambda home: model.furnish(home, settings),
            extra=KEEPALIVE,
            settings=ALWAYS,
            base=base,
        ) as way:
            way.connect()
            asyncio.run(_Chaos(way, verdict, breaks, tell).run(workers))
    verdict.seconds = time.monotonic() - began
    return verdict


class _Chaos:
    """One run, on a chain that stands."""

    def __init__(self, way: Chain, verdict: Verdict, breaks: int, tell: Callable[[str], None]) -> None:
        self._way = way
        self._verdict = verdict
        self._breaks = breaks
        self._tell = tell
        self._random = Random(verdict.seed)  # noqa: S311 - reproducible on purpose
        self._over = asyncio.Event()
        self._check = CountedCheck(salt=1)
        self._told: dict[str, list[_Story]] = {}

    async def run(self, workers: int) -> None:
        async with echo_port() as port:
            local = await self._forward(port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._echo(local))
                group.create_task(self._stay())
                for number in range(workers):
                    group.create_task(self._work(number))
                await self._settle()
                await self._break_often()
                self._over.set()
            await self._prove_ends()
        await self._compare()

    # -- load

    async def _echo(self, port: int) -> None:
        """The counted stream through ``remora forward``, never more than a window ahead of its echo."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        content, check = CountedBytes(salt=1), self._check

        async def send() -> None:
            sizes = Random(1)  # noqa: S311 - sizes of pieces
            while not self._over.is_set():
                if content.position - check.position < _WINDOW:
                    writer.write(content.take(sizes.randrange(1, _BLOCK)))
                    await writer.drain()
                await asyncio.sleep(_PACE)
            writer.write_eof()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                while data := await reader.read(65536):
                    check.see(data)
            check.end(content.position)
        except* (AssertionError, OSError) as group_of_errors:
            self._verdict.faults += [f"echo: {error!r}" for error in group_of_errors.exceptions]
        finally:
            writer.close()
        self._verdict.echoed = check.position

    async def _work(self, number: int) -> None:
        """One thread after the other, each by a program of its own."""
        count = 0
        while not self._over.is_set() or count == 0:
            count += 1
            code, events = await self._remora("run", f"{ALIAS}:work", f"prompt {number}.{count}")
            thread = next((event["thread_id"] for event in events if event["kind"] == "thread"), None)
            if thread is not None:
                outcome = events[-1].get("outcome", "none")
                self._expect(outcome == "completed", f"{thread}: {events[-1]}")
                told = [_story(event) for event in events if event["kind"] in {"message", "command-completed"}]
                self._told[thread] = told
            else:  # it came while there was no way to the host, and has to have said so
                outcome = f"not begun: {events[-1]['error']['code']}"
                self._expect(code == ExitCode.UNREACHABLE, f"a run without a thread: {code} {events}")
                await self._way.live(limit=_RECOVERY_LIMIT)
            self._verdict.turns[outcome] += 1

    async def _stay(self) -> None:
        """One thread after the other by a client that came once, through the link's own socket, and never leaves."""
        link = await self._way.live(limit=_RECOVERY_LIMIT)
        spool = DiskSpool(memory=2**20, disk=2**30)
        stream = await SystemSockets().connect(link.socket)
        try:
            async with open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=_PATIENT) as rpc:
                rpc.deliver_to(spool)
                while not self._over.is_set():
                    started = await rpc.request("thread/start", {"cwd": str(self._way.sshd.home / "work")})
                    thread = started["thread"]["id"]
                    await rpc.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "please"}]})
                    self._told[thread] = await self._hear_turn(spool, thread)
        except RemoraError as error:
            self._verdict.faults.append(f"the client that stayed: {error}")
        finally:
            spool.close()

    async def _hear_turn(self, spool: DiskSpool, thread: str) -> list[_Story]:
        """All items of the thread's turn, as they were told to whoever listened all the time."""
        told: list[_Story] = []
        pieces: Counter[str] = Counter()
        while record := await spool.get():
            message = json.loads(record)
            params = message.get("params", {})
            if params.get("threadId") != thread:
                continue
            match message["method"]:
                case "item/agentMessage/delta":
                    pieces[params["itemId"]] += len(params["delta"])
                case "item/completed" if (story := _history(params["item"])) is not None:
                    told.append(story)
                case "turn/completed":
                    self._verdict.turns[params["turn"]["status"]] += 1
                    texts = {item: len(text) for kind, item, text in told if kind == "message"}
                    self._expect(pieces == texts, f"{thread}: pieces {pieces}, messages {texts}")
                    return told
        raise AssertionError("the client that stayed was left")

    # -- breaks

    async def _settle(self) -> None:
        await until(lambda: self._check.position > _PROOF, what="the echo")
        self._sample()

    async def _break_often(self) -> None:
        for number in range(self._breaks):
            began = time.monotonic()
            try:
                await self._break_once()
            except AssertionError as error:
                self._verdict.faults.append(f"break {number}: {error}")
                return
            self._verdict.recovery.append(time.monotonic() - began)
            if (number + 1) % max(1, self._breaks // 10) == 0:
                self._sample()
                self._tell(
                    f"{number + 1} breaks, {self._check.position} bytes, {sum(self._verdict.turns.values())} turns, "
                    f"{self._verdict.descriptors[-1]} descriptors, {self._verdict.memory[-1] >> 20} MiB"
                )

    async def _break_once(self) -> None:
        proxy, sshd, random = self._way.proxy, self._way.sshd, self._random
        kind = random.randrange(12)
        point = random.randrange(1, _POINTS)
        if kind < 8:
            fault: Fault = random_fault(random, longest=0.5)
            name = type(fault).__name__
            proxy.strike(fault, after=point)
            await until(lambda: not proxy.waits, limit=_RECOVERY_LIMIT, what=f"{name} after {point} bytes")
            await self._recovered(name)
        else:
            start = self._check.position
            await until(lambda: self._check.position > start + point // 4, limit=_RECOVERY_LIMIT, what="the echo")
            if kind == 8:
                name = "Stopped"
                with sshd.paused():
                    await asyncio.sleep(random.uniform(0, 0.5))
            elif kind == 9:
                name = "Restarted"
                await asyncio.to_thread(sshd.bounce)
            else:
                name = "Killed"
                sshd.drop_connections()
            await self._recovered(name)
        self._verdict.breaks[name] += 1
        proxy.heal()

    async def _recovered(self, name: str) -> None:
        start = self._check.position
        await until(
            lambda: self._check.position > start + _PROOF or self._verdict.faults,
            limit=_RECOVERY_LIMIT,
            what=f"bytes after {name}",
        )
        assert not self._verdict.faults, "the stream is broken"

    def _sample(self) -> None:
        self._verdict.descriptors.append(self._way.descriptors())
        self._verdict.memory.append(self._way.memory())

    # -- afterwards

    async def _prove_ends(self) -> None:
        """One app server, one relay, nothing else; after ``disconnect`` the app server alone."""
        link = await self._way.live(limit=_RECOVERY_LIMIT)
        self._verdict.connections_lost = link.breaks
        self._sample()
        code, _ = await self._remora("forward", "stop", ALIAS)
        found = self._way.host_processes()
        self._expect(code == 0, "the forward cannot be stopped")
        self._expect(len(found.app_servers) == 1, f"app servers: {found.app_servers}")
        self._expect(len(found.relays) == 1, f"relays: {found.relays}")
        self._expect(len(found.others) <= 1, f"beside them run: {found.others}")
        await self._remora("disconnect", ALIAS)

        def is_quiet() -> bool:
            left = self._way.host_processes()
            return len(left.app_servers) == 1 and not left.relays and not left.others

        try:
            await until(is_quiet, limit=_QUIET_LIMIT)
        except AssertionError:
            self._verdict.faults.append(f"after disconnect: {self._way.host_processes()}")

    async def _compare(self) -> None:
        """What was told of each thread is what the server has, item by item, once and in its order."""
        async with _server(self._way) as rpc:
            for thread, ours in self._told.items():
                turns = await rpc.request("thread/turns/list", turns_list(thread, limit=_PAGE, items=False))
                items = await rpc.request("thread/items/list", items_list(thread, None, limit=_PAGE))
                self._expect([turn["status"] for turn in turns["data"]] == ["completed"], f"{thread}: turns")
                theirs = [story for entry in items["data"] if (story := _history(entry["item"])) is not None]
                self._expect(ours == theirs, f"{thread}: told {ours}, the server has {theirs}")
                self._expect([text for _, _, text in ours] == _EXPECTED, f"{thread}: {ours}")
                self._verdict.items += len(ours)

    def _expect(self, right: bool, what: str) -> None:
        if not right:
            self._verdict.faults.append(what)

    # -- means

    async def _forward(self, port: int) -> int:
        code, documents = await self._remora("forward", ALIAS, str(port))
        assert code == 0, documents
        return int(documents[-1]["forwards"][0]["local_port"])

    async def _remora(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "remora", *words, "--json", "--no-input"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **self._way.place.environment},
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, [json.loads(line) for line in output.splitlines()]


def _story(event: dict[str, Any]) -> _Story:
    if event["kind"] == "message":
        return "message", event["item_id"], event["text"]
    return "command", event["item_id"], event["output"] or ""


def _history(item: dict[str, Any]) -> _Story | None:
    match item["type"]:
        case "agentMessage":
            return "message", item["id"], item["text"]
        case "commandExecution":
            return "command", item["id"], item["aggregatedOutput"] or ""
    return None


@asynccontextmanager
async def _server(way: Chain) -> AsyncIterator[Any]:
    """The app server itself, reached without any of ours."""
    stream = await SystemSockets().connect(way.control_socket())
    async with open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=DEFAULT_LIMITS) as rpc:
        yield rpc
