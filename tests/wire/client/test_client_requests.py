"""What is read and changed in the messages of a client."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.wire.client.conversation import Conversation
from remora.wire.client.envelope import guess_envelope, read_envelope
from remora.wire.client.messages import INSPECTED, Beginning, MessageGatherer, Rest, Whole
from remora.wire.client.thread_terms import ClientRequest, read_request, says_trusted
from remora.wire.socket.socket_pieces import Piece


def request(method: str = "thread/start", **params: Any) -> ClientRequest:
    text = json.dumps({"id": 3, "method": method, "params": params, "extra": [1.50]})
    found = read_request(text.encode(), 3, method)
    assert found is not None
    return found


def params_of(changed: ClientRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(changed.encode())["params"]
    return found


def say(conversation: Conversation, text: bytes) -> bool:
    return conversation.may_say(read_envelope(text))


def test_requests_are_open_until_they_are_answered() -> None:
    talk = Conversation()
    for said in (b'{"method":"m","id":7}', b'{"method":"note"}', b"no json", b'{"id":"big","method":"m"}'):
        assert say(talk, said)
    assert talk.open_requests == 2
    long = b'{"id":"big","result":"' + b"x" * 200_000 + b'"}'
    for heard in (b'{"id":7,"method":"server asks"}', b'{"result":1,"id":7}', long):
        for start in range(0, len(heard), 50_000):
            talk.heard(Piece(heard[start : start + 50_000], start + 50_000 >= len(heard)))
    assert talk.open_requests == 0


@pytest.mark.parametrize(
    "asked",
    [
        b'{"id":0,"method":"ask","params":{}}',
        b'{"method":"ask","id":0,"params":{}}',
        b'{"method":"ask","id":0,"params":"' + b"x" * 100_000 + b'"}',
    ],
    ids=["id first", "method first", "long"],
)
def test_an_answer_passes_once_and_only_when_it_was_asked_for(asked: bytes) -> None:
    talk = Conversation()
    answer = b'{"id":0,"result":{"decision":"accept"}}'
    assert not say(talk, answer)
    talk.heard(Piece(asked, last=True))
    for other in (b'{"id":"0","result":{}}', b'{"id":1,"result":{}}', b'{"id":1,"error":{}}', b'{"result":{}}'):
        assert not say(talk, other)
    assert say(talk, answer)
    assert not say(talk, answer)


def test_what_is_no_message_is_left_to_the_server_to_refuse() -> None:
    talk = Conversation()
    for said in (b"", b"{", b"[]", b'"x"', b"\xff", b'{"id":[]}', b"[" * 100_000, b'{"id":1e400}'):
        assert say(talk, said)


def test_the_beginning_of_a_long_message_says_what_it_is() -> None:
    assert guess_envelope(b'{"id":4,"method":"turn/start","params":"').method == "turn/start"
    assert guess_envelope(b'{"method":"m","id":"a","params":"').id == "a"
    assert guess_envelope(b'{"id":4,"result":"').is_answer
    assert guess_envelope(b'{"result":"').id is None


@given(texts=st.lists(st.binary(max_size=40), max_size=5), size=st.integers(1, 7))
def test_messages_come_out_of_their_pieces(texts: list[bytes], size: int) -> None:
    gatherer = MessageGatherer()
    found = []
    for text in texts:
        for start in range(0, len(text) or 1, size):
            taken = gatherer.take(Piece(text[start : start + size], start + size >= len(text)))
            if taken is not None:
                assert isinstance(taken, Whole)
                found.append(taken.text)
    assert found == texts


def test_a_long_message_is_not_kept() -> None:
    gatherer = MessageGatherer()
    part = b"x" * (INSPECTED // 2 + 1)
    assert gatherer.take(Piece(part, last=False)) is None
    assert gatherer.take(Piece(part, last=False)) == Beginning(part * 2)
    assert gatherer.take(Piece(part, last=False)) == Rest(Piece(part, last=False))
    assert gatherer.take(Piece(b"", last=True)) == Rest(Piece(b"", last=True))
    assert gatherer.take(Piece(b"{}", last=True)) == Whole(b"{}")


def test_what_is_not_changed_stays_the_bytes_that_it_was() -> None:
    changed = request(model="ä", big=1e3, cwd=None)
    changed.work_in("/p")
    assert json.loads(changed.encode())["extra"] == [1.50]
    assert b"1.5" in changed.encode()
    assert params_of(changed) == {"model": "ä", "big": 1000.0, "cwd": "/p"}


def test_the_terms_of_a_thread_are_left_out_unless_they_were_said() -> None:
    terms = {"sandbox": "danger-full-access", "approvalPolicy": "never", "approvalsReviewer": "auto_review"}
    changed = request(**terms, permissions="x", model="m")
    changed.keep_terms(frozenset({"sandbox"}))
    assert params_of(changed) == {"sandbox": "danger-full-access", "model": "m"}
    quiet = request(ephemeral=True, sandbox="read-only", approvalPolicy="never")
    quiet.keep_terms(frozenset())
    assert params_of(quiet) == {"ephemeral": True, "sandbox": "read-only"}
    loud = request(ephemeral=True, sandbox="workspace-write")
    loud.keep_terms(frozenset())
    assert params_of(loud) == {"ephemeral": True}


def test_a_folder_is_distrusted_beside_what_the_client_configures_itself() -> None:
    changed = request(config={"model_reasoning_effort": "high"})
    changed.distrust("/a.b/c")
    projects = {"/a.b/c": {"trust_level": "untrusted"}}
    assert params_of(changed)["config"] == {"model_reasoning_effort": "high", "projects": projects}
    own = request(config={"projects": {"/q": {"trust_level": "trusted"}}})
    own.distrust("/p")
    assert params_of(own)["config"]["projects"] == {
        "/p": {"trust_level": "untrusted"},
        "/q": {"trust_level": "trusted"},
    }
    said = request(config={"projects": {"/p": {"trust_level": "trusted"}}})
    said.distrust("/p")
    assert params_of(said)["config"] == {"projects": {"/p": {"trust_level": "trusted"}}}


@pytest.mark.parametrize(
    ("answer", "trusted"),
    [
        ({"layers": [{"name": {"type": "project"}, "config": {}, "disabledReason": None}]}, True),
        ({"layers": [{"name": {"type": "project"}, "config": {}, "disabledReason": "add it"}]}, False),
        ({"layers": [{"name": {"type": "user"}, "config": {"projects": {"/p": {"trust_level": "trusted"}}}}]}, True),
        (
            {"layers": [{"name": {"type": "user"}, "config": {"projects": {"/p/q": {"trust_level": "untrusted"}}}}]},
            False,
        ),
        (
            {"layers": [{"name": {"type": "user"}, "config": {"projects": {"/other": {"trust_level": "trusted"}}}}]},
            False,
        ),
        ({"layers": "x"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_whether_a_host_trusts_a_folder_is_read_from_its_configuration(answer: Any, trusted: bool) -> None:
    assert says_trusted(answer, "/p/q") is trusted


def test_parameters_that_no_server_takes_are_left_as_they_are() -> None:
    assert read_request(b'{"id":1,"method":"thread/start","params":[]}', 1, "thread/start") is None
    assert read_request(b'{"id":1,"method":"thread/start","params":null}', 1, "thread/start") is None
