"""A request's id and digest: what an answer is bound to."""

from dataclasses import fields, replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.approval.requests import ACCEPT, DECLINE, REQUEST

from remora.core.approval.request import ApprovalRequest, RequestKind, TerminalInput, ToolCall
from remora.core.thread.changes import ChangedFile

NOT_DIGESTED: Final = {
    *("request_id", "thread_id", "parent_thread_id", "turn_id", "item_id", "asked_at_ms"),  # who asks, and when
    *("reason", "diff", "detail"),  # texts for people; what is in the other members already
    "unlisted_decline",  # grants nothing
}
CHANGED: Final[dict[str, list[Any]]] = {
    "kind": [RequestKind.NETWORK],
    "environment": ["prod", None],
    "command": ["git push -f", None],
    "terminal_input": [
        TerminalInput(terminal="2", text="y\n", runs="sh"),
        TerminalInput(terminal="1", text="n\n", runs="sh"),
        TerminalInput(terminal="1", text="y\n", runs="sudo sh"),
    ],
    "folder": ["/", None],
    "opens": ["/", None],
    "changes": [
        (ChangedFile("b", "update", "@@ -1 +1 @@\n-a\n+b\n", "b"),),
        (ChangedFile("a", "delete", "@@ -1 +1 @@\n-a\n+b\n", "b"),),
        (ChangedFile("a", "update", "", "b"),),
        (ChangedFile("a", "update", "@@ -1 +1 @@\n-a\n+b\n", "c"),),
    ],
    "permissions": [{"network": {"enabled": False}}, {}, None],
    "additional_permissions": [{"fileSystem": {"write": ["/"]}}, None],
    "network": [{"host": "h2", "protocol": "https"}, {"host": "h", "protocol": "http"}],
    "tool": [
        ToolCall(server="s2", name="t", arguments={"a": 1}, hints={"readOnlyHint": True}),
        ToolCall(server="s", name="t2", arguments={"a": 1}, hints={"readOnlyHint": True}),
        ToolCall(server="s", name="t", arguments={"a": 2}, hints={"readOnlyHint": True}),
        ToolCall(server="s", name="t", arguments={"a": 1}, hints={"readOnlyHint": False}),
        None,
    ],
    "asked_by": ["s2", None],
    "url": ["https://y.example", None],
    "questions": [(), ({"id": "q", "question": "Which one?", "options": [{"label": "a"}]},)],
    "choices": [
        (DECLINE,),
        (DECLINE, ACCEPT),
        (replace(ACCEPT, value={"accept": "all"}), DECLINE),
        (replace(ACCEPT, name="always"), DECLINE),
        (replace(ACCEPT, grants=False), DECLINE),
        (replace(ACCEPT, stores="a rule"), DECLINE),
    ],
    "unknown": [{}, {"new": 2}, {"newer": 1}],
}
ORDERED: Final = [(name, value) for name, values in CHANGED.items() for value in values]


def test_every_member_of_a_request_either_has_a_digest_to_change_or_a_reason_not_to() -> None:
    assert {field.name for field in fields(ApprovalRequest)} == NOT_DIGESTED | set(CHANGED)
    assert not NOT_DIGESTED & set(CHANGED)


@pytest.mark.parametrize(("name", "value"), ORDERED)
def test_the_digest_changes_when_what_would_be_done_changes(name: str, value: Any) -> None:
    assert replace(REQUEST, **{name: value}).digest != REQUEST.digest


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(ORDERED), max_size=4, unique_by=lambda change: change[0]), st.data())
def test_two_requests_share_a_digest_only_when_they_would_do_the_same(
    changes: list[tuple[str, Any]], data: st.DataObject
) -> None:
    others = data.draw(st.lists(st.sampled_from(ORDERED), max_size=4, unique_by=lambda change: change[0]))
    one, other = replace(REQUEST, **dict(changes)), replace(REQUEST, **dict(others))
    assert (one.digest == other.digest) == (one == other)


@settings(deadline=None, max_examples=40)
@given(text=st.text(), number=st.integers())
def test_the_digest_stays_when_only_texts_for_people_and_names_change(text: str, number: int) -> None:
    assert REQUEST.tool is not None
    same = replace(
        REQUEST,
        request_id=number,
        thread_id=text,
        parent_thread_id=text,
        turn_id=text,
        item_id=text,
        asked_at_ms=number,
        reason=text,
        diff=text,
        tool=replace(REQUEST.tool, description=text),
        choices=tuple(replace(each, label=text) for each in REQUEST.choices),
        detail={"reason": text, "startedAtMs": number},
    )
    assert same.digest == REQUEST.digest


@pytest.mark.parametrize(
    ("kind", "tool", "decides"),
    [
        (RequestKind.ELICITATION, None, True),
        (RequestKind.MCP_TOOL, ToolCall(server="s", arguments={}), True),
        (RequestKind.MCP_TOOL, ToolCall(server="s", name="t", arguments={}), False),
        (RequestKind.COMMAND, None, False),
    ],
)
def test_a_text_that_is_the_question_itself_counts(kind: RequestKind, tool: ToolCall | None, decides: bool) -> None:
    request = replace(REQUEST, kind=kind, tool=tool, reason="Your name?")
    assert (replace(request, reason="Your password?").digest != request.digest) is decides


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request_id", 2),
        ("request_id", "1"),
        ("thread_id", "x"),
        ("turn_id", None),
        ("item_id", "x"),
        ("asked_at_ms", 2),
    ],
)
def test_another_request_has_another_id(name: str, value: Any) -> None:
    """Ids of the server begin at 0 again when it restarts; turn, item and time tell its lives apart."""
    assert replace(REQUEST, **{name: value}).id != REQUEST.id


def test_the_same_request_has_the_same_id_however_much_is_known_of_it() -> None:
    assert replace(REQUEST, changes=(), reason=None).id == REQUEST.id
    assert len(REQUEST.id) == 32


def test_a_decision_names_the_digest_of_its_request() -> None:
    decision = REQUEST.decision(ACCEPT, "person", note="n", answers={"q": ("a",)})
    assert (decision.choice, decision.decided_by, decision.note) == (ACCEPT, "person", "n")
    assert (decision.answers, decision.digest) == ({"q": ("a",)}, REQUEST.digest)
