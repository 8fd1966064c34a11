"""The ways in which an app server can be hostile: one line each. To add one, add a line.

A mode is what the server does, and how a run against it has to end: the code of an error, or, where nothing but the
person ends it, ``LEFT``: the run goes on until it is told twice to stop.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.support.hostile.wire import (
    BINARY,
    CLOSE,
    CONTINUE,
    INITIALIZED,
    OPENED,
    PING,
    PONG,
    STARTED,
    TEXT,
    THREAD,
    TURN,
    Wire,
    asked,
    frame,
    text,
    told,
)

from remora.core.codes import Code

LEFT: Final = "left"
STOPPED: Final = "interrupted"
DONE: Final = "completed"
TIME, GONE, LOST, HANDSHAKE = Code.TIME_LIMIT, Code.SERVER_GONE, Code.CONNECTION_LOST, Code.HANDSHAKE_FAILED
BROKEN, LARGE, UNKNOWN = Code.PROTOCOL_VIOLATION, Code.MESSAGE_TOO_LARGE, Code.REQUEST_UNKNOWN

DEEP: Final = b"[" * 100_000 + b"]" * 100_000
PIECE: Final = told("item/agentMessage/delta", itemId="a", delta="word ")
BEGUN: Final = told("item/started", item={"type": "agentMessage", "id": "a", "text": ""})
ENDED: Final = text(
    {
        "method": "turn/completed",
        "params": {"threadId": THREAD, "turn": {"id": TURN, "items": [], "status": "completed", "error": None}},
    }
)


@dataclass(frozen=True, slots=True)
class Mode:
    """What the server does, and with which of `ends` a run against it may end."""

    act: Callable[[Wire], Any]
    ends: tuple[str, ...]


def _mode(act: Callable[[Wire], Any], *ends: str) -> Mode:
    return Mode(act, ends)


def _upgraded(*frames: bytes, then: Callable[[Wire], None] = Wire.wait) -> Callable[[Wire], Any]:
    """Upgrade, send `frames`, and then."""
    return lambda wire: then(wire.upgrade().send(b"".join(frames)))


def _flood(*frames: bytes, first: bytes = b"") -> Callable[[Wire], Any]:
    """Upgrade and send without end."""
    return lambda wire: wire.upgrade().send(first).flood(*frames)


def _answers(method: str, result: Any) -> Callable[[Wire], Any]:
    """A true server whose answer to `method` is `result`."""

    def act(wire: Wire) -> None:
        wire.result(wire.reach(method), result)
        wire.wait()

    return act


def _raw_answer(method: str, message: bytes) -> Callable[[Wire], Any]:
    """A true server that answers `method` with these bytes; ``ID`` in them is the request's."""

    def act(wire: Wire) -> None:
        request = wire.reach(method)
        wire.send(text(message.replace(b"ID", str(request["id"]).encode())))
        wire.wait()

    return act


def _closes_at(method: str) -> Callable[[Wire], Any]:
    return lambda wire: wire.reach(method)


def _silent_at(method: str) -> Callable[[Wire], Any]:
    def act(wire: Wire) -> None:
        wire.reach(method)
        wire.wait()

    return act


def _in_turn(*frames: bytes) -> Callable[[Wire], Any]:
    """The turn begins, `frames` come, the turn ends."""
    return lambda wire: wire.turn().send(b"".join((*frames, ENDED))).wait()


def _turn_floods(*frames: bytes, first: bytes = b"") -> Callable[[Wire], Any]:
    return lambda wire: wire.turn().send(first).flood(*frames)


def _turn_counts(make: Callable[[int], bytes]) -> Callable[[Wire], Any]:
    return lambda wire: wire.turn().counted(make)


def _status(status: str, **headers: str | None) -> Callable[[Wire], Any]:
    return lambda wire: wire.send(wire.answer_upgrade(wire.request(), status, **headers)).wait()


def _instead(data: bytes, endless: bytes = b"") -> Callable[[Wire], Any]:
    """Something else than an answer to the upgrade, and then nothing or something without end."""

    def act(wire: Wire) -> None:
        wire.request()
        wire.send(data)
        if endless:
            wire.flood(endless)
        wire.wait()

    return act


def _drips_upgrade(wire: Wire) -> None:
    wire.drip(wire.answer_upgrade(wire.request()) + b" " * 1000)


def _more_in_answer(wire: Wire) -> None:
    answer = wire.answer_upgrade(wire.request())[:-2]
    wire.send(answer)
    wire.flood(b"X-More: " + b"y" * 1000 + b"\r\n")


HANDSHAKES: Final = {
    "says-nothing": _mode(Wire.wait, TIME),
    "reads-nothing": _mode(Wire.stay, TIME),
    "closes-at-once": _mode(lambda wire: None, GONE, LOST),
    "closes-after-the-upgrade": _mode(Wire.request, GONE),
    "http-404": _mode(_status("404 Not Found"), HANDSHAKE),
    "http-302": _mode(_status("302 Found", Location="http://example.org/"), HANDSHAKE),
    "http-200-endless-body": _mode(_instead(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), HANDSHAKE),
    "http-500-huge-length": _mode(_status("500 No", **{"Content-Length": "9" * 18}), HANDSHAKE, TIME),
    "wrong-key": _mode(_status("101 Switching Protocols", **{"Sec-WebSocket-Accept": "bm8="}), HANDSHAKE),
    "no-key": _mode(_status("101 Switching Protocols", **{"Sec-WebSocket-Accept": None}), HANDSHAKE),
    "no-upgrade": _mode(_status("101 Switching Protocols", Upgrade=None), HANDSHAKE),
    "unasked-extension": _mode(_status("101 Switching Protocols", **{"Sec-WebSocket-Extensions": "permessage-deflate"}), HANDSHAKE),
    "unasked-protocol": _mode(_status("101 Switching Protocols", **{"Sec-WebSocket-Protocol": "x"}), HANDSHAKE),
    "endless-header": _mode(_instead(b"x", b"x"), HANDSHAKE),
    "endless-header-lines": _mode(_more_in_answer, HANDSHAKE),
    "upgrade-drips": _mode(_drips_upgrade, TIME),
    "ssh-banner": _mode(_instead(b"SSH-2.0-OpenSSH_9.2p1\r\n"), HANDSHAKE),
    "tls-alert": _mode(_instead(b"\x15\x03\x01\x00\x02\x02\x28"), HANDSHAKE, TIME),
    "nul-bytes": _mode(_instead(bytes(10_000)), HANDSHAKE),
    "noise": _mode(_instead(bytes(range(256)) * 40), HANDSHAKE),
    "endless-noise": _mode(lambda wire: wire.flood(bytes(range(256))), HANDSHAKE, LOST),
    "upgrade-twice": _mode(lambda wire: wire.send(wire.answer_upgrade(wire.request()) * 2).wait(), BROKEN),
    "farewell-first": _mode(_upgraded(frame(CLOSE, b"\x03\xe8"), then=lambda wire: None), GONE),
}  # fmt: skip
"""Before there is a WebSocket."""

FRAMES: Final = {
    "masked-frame": _mode(_upgraded(b"\x81\x81\0\0\0\0x"), BROKEN),
    "reserved-bits": _mode(_upgraded(b"\xf1\x01x"), BROKEN),
    "reserved-kind": _mode(_upgraded(b"\x83\x01x"), BROKEN),
    "control-in-parts": _mode(_upgraded(frame(PING, b"x", fin=False)), BROKEN),
    "long-ping": _mode(_upgraded(frame(PING, b"x" * 126)), BROKEN),
    "length-2-63": _mode(_upgraded(b"\x81\x7f\x80" + bytes(7)), BROKEN, LARGE),
    "length-1-tib": _mode(_upgraded(b"\x81\x7f" + (1 << 40).to_bytes(8, "big")), LARGE),
    "length-not-shortest": _mode(_upgraded(b"\x81\x7e\x00\x01x"), BROKEN),
    "length-and-silence": _mode(_upgraded(b"\x81\x7f" + (1 << 20).to_bytes(8, "big")), TIME),
    "length-and-drip": _mode(lambda wire: wire.upgrade().send(b"\x81\x7e\xff\xff").drip(b"x" * 65535), TIME),
    "half-close-code": _mode(_upgraded(frame(CLOSE, b"\x03")), BROKEN, GONE),
    "odd-close-code": _mode(_upgraded(frame(CLOSE, b"\x00\x01")), BROKEN, GONE),
    "close-reason-not-utf8": _mode(_upgraded(frame(CLOSE, b"\x03\xe8\xff\xff")), BROKEN, GONE),
    "continues-nothing": _mode(_upgraded(frame(CONTINUE, b"x")), BROKEN),
    "message-in-message": _mode(_upgraded(frame(TEXT, b"{", fin=False), text({})), BROKEN),
    "text-not-utf8": _mode(_upgraded(text(b'{"method":"\xff\xfe"}')), BROKEN),
    "binary": _mode(_upgraded(frame(BINARY, b"\x00\x01")), BROKEN),
    "endless-fragments": _mode(_flood(frame(CONTINUE, b"x", fin=False), first=frame(TEXT, b"x", fin=False)), BROKEN, TIME),
    "endless-empty-fragments": _mode(_flood(frame(CONTINUE, fin=False), first=frame(TEXT, fin=False)), BROKEN, TIME),
    "endless-large-fragments": _mode(_flood(frame(CONTINUE, b"x" * 65536, fin=False), first=frame(TEXT, fin=False)), LARGE, TIME),
    "endless-pings": _mode(_flood(frame(PING)), TIME),
    "endless-long-pings": _mode(_flood(frame(PING, b"x" * 125)), TIME),
    "endless-pongs": _mode(_flood(frame(PONG)), TIME),
    "endless-empty-messages": _mode(_flood(frame(TEXT)), BROKEN),
    "pings-in-fragments": _mode(_flood(frame(PING), frame(CONTINUE, b"x", fin=False), first=frame(TEXT, fin=False)), BROKEN, TIME),
    "endless-unasked-answers": _mode(_flood(text({"id": 99, "result": {}})), TIME),
    "endless-news-before-all": _mode(_flood(text({"method": "x"})), TIME),
    "endless-requests-before-all": _mode(_flood(text({"id": 1, "method": "x/y"})), BROKEN, TIME),
    "endless-approvals-before-all": _mode(_flood(asked(1)), TIME),
}  # fmt: skip
"""A WebSocket, and what should be frames."""

MESSAGES: Final = {
    "no-json": _mode(_upgraded(text(b"Welcome!")), BROKEN),
    "empty-object": _mode(_upgraded(text({})), BROKEN),
    "array": _mode(_upgraded(text([])), BROKEN),
    "batch": _mode(_upgraded(text([{"id": 1, "result": {}}])), BROKEN),
    "number": _mode(_upgraded(text(7)), BROKEN),
    "null": _mode(_upgraded(text(None)), BROKEN),
    "deep": _mode(_upgraded(text(DEEP)), BROKEN),
    "deep-params": _mode(_upgraded(text(b'{"method":"m","params":' + DEEP + b"}")), BROKEN, TIME),
    "nan": _mode(_upgraded(text(b'{"method":"m","params":NaN}')), BROKEN),
    "infinity": _mode(_upgraded(text(b'{"method":"m","params":-Infinity}')), BROKEN),
    "byte-order-mark": _mode(_upgraded(text(b'\xef\xbb\xbf{"method":"m"}')), BROKEN),
    "rubbish-behind": _mode(_upgraded(text(b'{"method":"m"} x')), BROKEN),
    "two-in-one": _mode(_upgraded(text(b'{"method":"m"}\n{"method":"m"}')), BROKEN),
    "nul-behind": _mode(_upgraded(text(b'{"method":"m"}\0')), BROKEN),
    "single-quotes": _mode(_upgraded(text(b"{'method':'m'}")), BROKEN),
    "unended-text": _mode(_upgraded(text(b'{"method":"m')), BROKEN),
    "method-no-text": _mode(_upgraded(text({"method": 7})), BROKEN),
    "id-fraction": _mode(_raw_answer("initialize", b'{"id":1.5,"result":{}}'), BROKEN),
    "id-truth": _mode(_raw_answer("initialize", b'{"id":true,"result":{}}'), BROKEN),
    "id-list": _mode(_raw_answer("initialize", b'{"id":[1],"result":{}}'), BROKEN),
    "id-huge": _mode(_raw_answer("initialize", b'{"id":' + b"9" * 400 + b',"result":{}}'), TIME),
    "id-as-text": _mode(_raw_answer("initialize", b'{"id":"ID","result":{}}'), TIME),
    "id-of-nobody": _mode(_raw_answer("initialize", b'{"id":12345,"result":{}}'), TIME),
    "no-id": _mode(_raw_answer("initialize", b'{"result":{}}'), BROKEN),
    "neither-result-nor-error": _mode(_raw_answer("initialize", b'{"id":ID}'), BROKEN),
    "error-no-object": _mode(_raw_answer("initialize", b'{"id":ID,"error":"no"}'), BROKEN),
    "error-empty": _mode(_raw_answer("initialize", b'{"id":ID,"error":{}}'), Code.REQUEST_REFUSED),
    "error-code-text": _mode(_raw_answer("initialize", b'{"id":ID,"error":{"code":"x","message":"m"}}'), BROKEN),
    "error-long": _mode(_raw_answer("initialize", b'{"id":ID,"error":{"code":1,"message":"' + b"x" * 10**6 + b'"}}'), Code.REQUEST_REFUSED),
    "error-overloaded": _mode(_raw_answer("initialize", b'{"id":ID,"error":{"code":-32001,"message":"m"}}'), TIME, Code.SERVER_OVERLOADED),
    "result-out-of-range": _mode(_raw_answer("initialize", b'{"id":ID,"result":{"n":1e999}}'), BROKEN),
    "result-lone-surrogate": _mode(_raw_answer("initialize", b'{"id":ID,"result":{"userAgent":"\\ud800"}}'), BROKEN, TIME),
}  # fmt: skip
"""Frames, and what should be messages."""


def _wrong_answers() -> dict[str, Mode]:
    """Each member that we read of each answer, with a value of each wrong kind; and no member at all."""
    wrong: dict[str, Any] = {
        "null": None, "number": 7, "fraction": 0.5, "truth": True, "list": [[]], "object": {"a": {}}, "huge": 10**30,
        "escapes": "\x1b]0;x\x07\u202e", "long": "x" * 100_000,
    }  # fmt: skip
    true = {"initialize": INITIALIZED, "thread/start": OPENED, "turn/start": STARTED}
    ends = (TIME, BROKEN, UNKNOWN, LEFT, STOPPED, Code.LOOSER_THAN_ASKED)
    modes: dict[str, Mode] = {}
    for method, answer in true.items():
        for name, value in wrong.items():
            modes[f"{method}-is-{name}"] = _mode(_answers(method, value), *ends)
        for path in _paths(answer):
            label = ".".join(path)
            modes[f"{method}-without-{label}"] = _mode(_answers(method, _without(answer, path)), *ends)
            for name, value in wrong.items():
                changed = _with(answer, path, value)
                modes[f"{method}-{label}-{name}"] = _mode(_answers(method, changed), *ends)
    return modes


def _paths(value: Any) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, inner in value.items():
        found.append((name,))
        if isinstance(inner, dict):
            found += [(name, *path) for path in _paths(inner)]
    return found


def _with(value: Any, path: tuple[str, ...], wrong: Any) -> Any:
    copy = json.loads(json.dumps(value))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = wrong
    return copy


def _without(value: Any, path: tuple[str, ...]) -> Any:
    copy = json.loads(json.dumps(value))
    place = copy
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return copy


ANSWERS: Final = _wrong_answers()
"""Messages, and what should be answers."""

STEPS: Final = {
    f"{name}-at-{method.replace('/', '-')}": _mode(act(method), *ends)
    for method, ends in {
        "initialize": (TIME, GONE, LOST),
        "thread/start": (TIME, GONE, LOST, UNKNOWN),
        "turn/start": (TIME, GONE, LOST, UNKNOWN),
    }.items()
    for name, act in {"closes": _closes_at, "silent": _silent_at}.items()
}
"""True up to a request."""

TURNS: Final = {
    "true": _mode(_in_turn(BEGUN, PIECE), DONE),
    "ends-twice": _mode(_in_turn(ENDED), DONE),
    "talks-after-the-end": _mode(_in_turn(ENDED, BEGUN, PIECE), DONE),
    "another-turn-ends": _mode(lambda wire: wire.turn().send(ENDED.replace(b"turn-1", b"turn-2")).wait(), LEFT),
    "one-approval-twice": _mode(_in_turn(asked(1), asked(1)), DONE, Code.APPROVAL_UNATTENDED),
    "approval-of-nothing": _mode(_in_turn(text({"id": 1, "method": "item/commandExecution/requestApproval"})), DONE, Code.APPROVAL_UNATTENDED),
    "approval-without-choices": _mode(_in_turn(asked(1, availableDecisions=[])), DONE, Code.APPROVAL_UNATTENDED),
    "resolves-what-nobody-asked": _mode(_in_turn(text({"method": "serverRequest/resolved", "params": {"requestId": [1]}})), DONE),
    "endless-pieces": _mode(_turn_floods(PIECE, first=BEGUN), LEFT),
    "endless-line": _mode(_turn_floods(told("item/agentMessage/delta", itemId="a", delta="x" * 60_000), first=BEGUN), LEFT),
    "endless-unknown-news": _mode(_turn_floods(told("what/ever", x=1)), LEFT),
    "endless-usage": _mode(_turn_counts(lambda n: told("thread/tokenUsage/updated", tokenUsage={"total": {"totalTokens": n}})), LEFT),
    "endless-plans": _mode(_turn_counts(lambda n: told("turn/plan/updated", plan=[{"step": f"{n}", "status": "x"}])), LEFT),
    "endless-warnings": _mode(_turn_counts(lambda n: told("warning", message=f"{n} {'x' * 1000}")), LEFT),
    "endless-items": _mode(_turn_counts(lambda n: told("item/started", item={"type": "commandExecution", "id": f"{n}", "command": "x" * 2000, "cwd": "/"})), BROKEN, LEFT),
    "endless-changes": _mode(_turn_counts(lambda n: told("item/started", item={"type": "fileChange", "id": f"{n}", "changes": [{"path": f"{n}", "kind": "add", "diff": "x\n" * 5000}]})), BROKEN, LEFT),
    "endless-approvals": _mode(_turn_counts(asked), BROKEN),
    "endless-approvals-that-are-resolved": _mode(_turn_counts(lambda n: asked(n) + text({"method": "serverRequest/resolved", "params": {"requestId": n}})), BROKEN, LEFT),
    "endless-tool-calls": _mode(_turn_floods(text({"id": 5, "method": "item/tool/call", "params": {}})), BROKEN),
    "endless-unknown-requests": _mode(_turn_counts(lambda n: text({"id": n, "method": "x/y"})), BROKEN),
    "large-message": _mode(lambda wire: wire.turn().send(told("item/agentMessage/delta", itemId="a", delta="x" * 2**25)).wait(), LARGE, BROKEN),
    "endless-message": _mode(lambda wire: wire.turn().send(frame(TEXT, b'{"method":"', fin=False)).flood(frame(CONTINUE, b"x" * 60_000, fin=False)), LARGE, BROKEN),
    "takes-no-answers": _mode(lambda wire: wire.turn().send(asked(1) + BEGUN + PIECE).stay(), LEFT),
}  # fmt: skip
"""True up to the turn."""

MODES: Final = {**HANDSHAKES, **FRAMES, **MESSAGES, **STEPS, **TURNS, **ANSWERS}
