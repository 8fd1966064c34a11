"""What a client hears of a thread that began read-only, because its folder is not trusted."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.base.loop import run

from remora.core.trust.safety import SafetyConfig
from remora.flows.client.client_guard import ClientGuard, ClientTerms, Folders
from remora.flows.client.client_host import Standing
from remora.wire.socket.socket_pieces import Piece

READ_ONLY = {"thread": {"id": "t"}, "sandbox": {"type": "readOnly"}, "model": "m"}


class Host:
    """Trusts nothing; remembers the sandboxes that it was told to set."""

    def __init__(self, *, obeys: bool = True) -> None:
        self.sandboxes: list[tuple[str, Any]] = []
        self._obeys = obeys

    async def standing(self, folder: str) -> Standing:
        return Standing(trusted=False, account=SafetyConfig(), sets_later=True)

    async def set_sandbox(self, thread_id: str, sandbox: Mapping[str, Any]) -> bool:
        self.sandboxes.append((thread_id, sandbox["type"]))
        return self._obeys


def text(**message: Any) -> bytes:
    return json.dumps(message).encode()


def pieces(message: bytes, size: int = 7) -> list[Piece]:
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    return [Piece(part, last=number == len(parts) - 1) for number, part in enumerate(parts)]


class Scene:
    def __init__(self, host: Host) -> None:
        self.guard = ClientGuard(ClientTerms(), host.standing, set_sandbox=host.set_sandbox)

    async def says(self, **params: Any) -> dict[str, Any]:
        """What the server gets of a start."""
        start = text(id=5, method="thread/start", params={"cwd": "/srv/app", **params})
        passed = await self.guard.take(Piece(start, last=True))
        (piece,) = passed.pieces
        got: dict[str, Any] = json.loads(piece.data)["params"]
        return got

    async def hears(self, *messages: bytes) -> list[dict[str, Any]]:
        """What the client gets of these messages."""
        out = b""
        for message in messages:
            for piece in pieces(message):
                for got in await self.guard.hear(piece):
                    out += got.data + (b"\n" if got.last else b"")
        return [json.loads(line) for line in out.splitlines()]


async def test_a_start_is_read_only_and_its_answer_tells_of_the_sandbox_that_was_set() -> None:
    host = Host()
    scene = Scene(host)
    assert (await scene.says(sandbox="workspace-write"))["sandbox"] == "read-only"
    note, question = text(method="thread/started", params={}), text(id=5, method="x/requestApproval", params={})
    heard = await scene.hears(note, question, text(id=5, result=READ_ONLY), note)
    assert heard[:2] == [json.loads(note), json.loads(question)]
    assert heard[2]["result"]["sandbox"]["type"] == "workspaceWrite"
    assert {**heard[2]["result"], "sandbox": None} == {**READ_ONLY, "sandbox": None}
    assert heard[3] == json.loads(note)
    assert await scene.hears(text(id=5, result=READ_ONLY)) == [{"id": 5, "result": READ_ONLY}]
    assert host.sandboxes == [("t", "workspaceWrite")]


@pytest.mark.parametrize("answer", [{"result": READ_ONLY}, {"error": {"code": 1, "message": "no"}}, {"result": 3}])
async def test_an_answer_says_what_holds_where_no_sandbox_was_set(answer: dict[str, Any]) -> None:
    scene = Scene(Host(obeys=False))
    await scene.says(sandbox="danger-full-access")
    assert await scene.hears(text(id=5, **answer)) == [{"id": 5, **answer}]


@pytest.mark.parametrize(
    "said",
    [
        {"permissions": ":workspace"},
        {"config": {"sandbox_mode": "workspace-write"}},
        {"config": {"sandbox_workspace_write.network_access": True}},
        {"config": {"default_permissions": ":workspace"}},
        {"config": {"projects": {}}},
    ],
)
def test_terms_that_are_said_otherwise_are_left_and_the_folder_is_called_untrusted(said: dict[str, Any]) -> None:
    host = Host()

    async def go() -> None:
        got = await Scene(host).says(**said)
        assert "sandbox" not in got
        assert got["config"]["projects"]["/srv/app"] == {"trust_level": "untrusted"}

    run(go())
    assert host.sandboxes == []


async def test_a_message_that_was_on_its_way_before_is_not_held() -> None:
    scene = Scene(Host())
    first, *rest = pieces(text(method="item/delta", params={"delta": "x" * 50}))
    assert await scene.guard.hear(first) == [first]
    await scene.says()
    assert [await scene.guard.hear(piece) for piece in rest] == [[piece] for piece in rest]


WRITES = {"sandboxPolicy": {"type": "workspaceWrite"}}


@pytest.mark.parametrize(
    ("place", "method", "said", "got"),
    [
        (None, "thread/resume", {}, {"sandbox": "read-only"}),
        (None, "thread/resume", {"sandbox": "workspace-write"}, "a folder that the server does not report"),
        (None, "turn/start", WRITES, "a folder that the server does not report"),
        ("/home/me", "thread/fork", {}, {"sandbox": "read-only"}),
        ("/home/me", "turn/start", {}, {}),
        ("/home/me", "turn/start", {"sandboxPolicy": {"type": "readOnly"}}, {}),
        ("/home/me", "turn/start", {"permissions": ":workspace"}, "the home folder"),
        ("/home/me", "turn/start", {**WRITES, "cwd": "/srv"}, {}),
        ("/home/me", "thread/settings/update", WRITES, "the home folder"),
        ("/srv/app", "turn/start", WRITES, {}),
        ("/srv/app", "thread/resume", {}, {}),
    ],
)
async def test_where_a_thread_works_decides_what_a_request_without_a_folder_may_say(
    place: str | None, method: str, said: dict[str, Any], got: dict[str, Any] | str
) -> None:
    async def find(name: str) -> str:
        return "/home/me" if name == "~" else name

    async def of_thread(thread_id: str) -> str | None:
        return place

    guard = ClientGuard(ClientTerms(Folders(find, of_thread)), Host().standing)
    params = {"threadId": "t", **said}
    passed = await guard.take(Piece(text(id=1, method=method, params=params), last=True))
    if isinstance(got, str):
        assert passed.pieces == []
        assert got in json.loads(passed.answers[0])["error"]["message"]
    else:
        assert json.loads(passed.pieces[0].data)["params"] == {**params, **got}
