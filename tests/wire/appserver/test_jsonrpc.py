"""Messages and lines: liberal in what is read, exact in what is cut."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.errors import Code, ProtocolProblem
from remora.wire.appserver import jsonrpc
from remora.wire.appserver.jsonrpc import Failure, Lines, Notification, Request, Response, TooLarge

KIB = 1024


def test_messages_without_the_jsonrpc_member_and_with_unknown_members_are_read() -> None:
    assert jsonrpc.decode(b'{"id":1,"result":{"a":1},"later":[1]}') == Response(1, msgspec.Raw(b'{"a":1}'))
    assert jsonrpc.decode(b'{"jsonrpc":"2.0","method":"m","params":{"x":2}}') == Notification("m", b'{"x":2}')
    assert jsonrpc.decode(b'{"id":"a","method":"m"}') == Request("a", "m", b"null")
    assert jsonrpc.decode(b'{"id":1,"error":{"code":-32001,"message":"no"}}') == Failure(1, -32001, "no")
    assert jsonrpc.decode(b'{"id":null,"error":{"code":-32700,"message":"no"}}') == Failure(None, -32700, "no")
    assert jsonrpc.decode(b'{"id":3,"result":null}') == Response(3, msgspec.Raw(b"null"))


@pytest.mark.parametrize("message", [b"Welcome to devbox!", b"[]", b"{}", b'{"id":1}', b"\xff\xfe", b'{"id":1.5}'])
def test_what_is_no_message_is_a_violation_that_shows_it(message: bytes) -> None:
    with pytest.raises(ProtocolProblem) as caught:
        jsonrpc.decode(message)
    assert caught.value.code is Code.PROTOCOL_VIOLATION
    assert caught.value.seen


def test_a_huge_unreadable_message_is_shown_capped() -> None:
    with pytest.raises(ProtocolProblem) as caught:
        jsonrpc.decode(b"x" * 10_000_000)
    assert len(caught.value.seen) <= 2_000


@given(st.lists(st.binary(max_size=200).filter(lambda line: b"\n" not in line), max_size=20), st.integers(1, 50))
def test_lines_come_out_as_they_went_in_however_they_are_split(lines: list[bytes], step: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    cutter = Lines(limit=10_000)
    found = [line for start in range(0, len(data), step) for line in cutter.feed(data[start : start + step])]
    assert found == [line for line in lines if line.strip()]
    assert cutter.rest == b""


@pytest.mark.parametrize("size", [64 * KIB - 1, 64 * KIB, 64 * KIB + 1, KIB * KIB - 1, KIB * KIB + 1])
def test_f70_a_line_has_no_length_of_its_own(size: int) -> None:
    cutter = Lines(limit=KIB * KIB * 2)
    assert cutter.feed(b"x" * size) == []
    assert cutter.feed(b"\n") == [b"x" * size]


def test_f70_a_line_beyond_the_limit_is_swallowed_once_and_the_next_one_is_read() -> None:
    cutter = Lines(limit=100)
    found = []
    for _ in range(50):
        found += cutter.feed(b'{"id":7,"result":"' + b"x" * 100)
    found += cutter.feed(b'"}\n{"id":8,"result":1}\n')
    assert found == [TooLarge(b'{"id":7,"result":"' + b"x" * 100), b'{"id":8,"result":1}']


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        (b'{"id":7,"result":', 7),
        (b' { "id" : "abc" , "result"', "abc"),
        (b'{"method":"x"', None),
        (b'{"result":{"id":7', None),
        (b"", None),
    ],
)
def test_whose_answer_a_swallowed_message_was(beginning: bytes, expected: object) -> None:
    assert jsonrpc.leading_id(beginning) == expected


def test_what_we_encode_is_one_line() -> None:
    for message in (
        jsonrpc.encode_request(1, "m", {"text": "a\nb\u2028"}),
        jsonrpc.encode_notification("initialized"),
        jsonrpc.encode_result("a", {"x": None}),
        jsonrpc.encode_error(0, -32601, "no"),
    ):
        assert b"\n" not in message
        json.loads(message)
    assert json.loads(jsonrpc.encode_notification("initialized")) == {"method": "initialized"}
