"""A real server, a hostile repository, and somebody who may be asked about it."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.base.loop import run
from tests.support.base.runs import of, report_of, run_to_end
from tests.support.base.until import until
from tests.support.codex.local_app_server import LocalAppServer
from tests.support.model.hostile_repository import Hostile, hostile_repository

from remora.adapters.records.trust_memory import TrustFile
from remora.demo.scripted_model import Say, ScriptedModel, Step
from remora.flows.thread.run_request import RunRequest
from remora.flows.trust.judge import TrustRules
from remora.ports import TrustQuestion
from remora.wire.appserver.calls import SandboxMode
from remora.wire.reports.run import RunEvent, ThreadReady, TrustBody, Warned


class Person:
    """Answers questions about repositories with what was given, in turn, and remembers them."""

    def __init__(self, *answers: bool, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._answers = list(answers)
        self._meanwhile = meanwhile
        self.asked: list[TrustQuestion] = []

    async def trust_repository(self, question: TrustQuestion) -> bool | None:
        self.asked.append(question)
        self._meanwhile()
        return self._answers.pop(0)


class Scene:
    """A server, a hostile repository, and a memory on this side."""

    def __init__(self, server: LocalAppServer, work: Path) -> None:
        self.server = server
        self.config = server.home / "config.toml"
        self.repository: Hostile = hostile_repository(
            work / "clone", work / "marks", reviewer=server.version != "0.120.0"
        )
        self.memory = TrustFile(work / "state")

    async def run(
        self,
        *answers: bool,
        option: str | None = None,
        thread: str | None = None,
        person: Person | None = None,
        sandbox: SandboxMode | None = SandboxMode.WORKSPACE_WRITE,
        below: str = "",
        on_event: Callable[[RunEvent], Awaitable[None]] | None = None,
    ) -> list[RunEvent]:
        folder = self.repository.folder / below
        self.server.folder = folder
        rules = TrustRules(alias="devbox", option=option, memory=self.memory)
        if answers or person:
            rules = TrustRules(alias="devbox", handler=person or Person(*answers), memory=self.memory)
        request = RunRequest(
            prompt="please",
            message_id="message-1",
            folder=None if thread else str(folder),
            thread=thread,
            sandbox=sandbox,
        )
        return await run_to_end(self.server.connect, request, rules=rules, on_event=on_event)

    async def until_effect(self) -> None:
        await until(lambda: "mcp-server" in self.repository.effects)

    def forget_effects(self) -> None:
        for mark in self.repository.marks.iterdir():
            mark.unlink()

    def trust_on_host(self) -> None:
        folder = json.dumps(str(self.repository.folder))
        self.config.write_text(f'{self.config.read_text()}\n[projects.{folder}]\ntrust_level = "trusted"\n')

    def change(self) -> None:
        config = self.repository.folder / ".codex/config.toml"
        config.write_text(config.read_text().replace('model = "hostile"', 'model = "worse"'))


def ready(events: list[RunEvent]) -> ThreadReady:
    (found,) = of(ThreadReady, events)
    return found


def trust(events: list[RunEvent]) -> TrustBody:
    found = ready(events).trust
    assert found is not None
    assert report_of(events).trust == found
    return found


def notices(events: list[RunEvent]) -> list[str]:
    return [each.message for each in of(Warned, events) if each.message.startswith("The repository in ")]


def play(
    version: str, work: Path, act: Callable[[Scene], Awaitable[None]], steps: list[Step] | None = None, own: str = ""
) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, own + model.codex_config()) as server:
            scene = Scene(server, work)
            before = scene.config.read_bytes()
            await act(scene)
            assert scene.config.read_bytes().startswith(before), "remora writes nothing into it"
            assert scene.config.read_text().count("trust_level") <= 1

    with ScriptedModel(steps or [Say("Done.")]) as model:
        run(go(model))
