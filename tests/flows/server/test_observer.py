"""What a link believes of the threads that an app server tells about."""

import json

import msgspec

from remora.flows.server.observer import Board


def told(method: str, **params: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()


def test_a_server_that_tells_of_threads_without_end_fills_neither_memory_nor_the_status() -> None:
    board = Board(lambda: None)
    working = {"type": "active", "activeFlags": ["waitingOnApproval"]}
    for number in range(6000):
        thread = {"id": f"thread-{number}", "name": "n" * 5000, "status": working}
        board.put(told("thread/started", thread=thread))
    board.put(told("thread/status/changed", threadId="x" * 100_000, status=working))

    assert 500 < len(board.active) <= 1000
    assert board.waiting == len(board.active)
    assert len(msgspec.json.encode(board.active)) < 1024 * 1024


def test_a_thread_that_ends_makes_room_and_its_long_name_is_cut() -> None:
    board = Board(lambda: None)
    working = {"type": "active", "activeFlags": []}
    board.put(told("thread/started", thread={"id": "one", "name": "long " * 100, "status": working}))

    [active] = board.active
    assert active.name is not None
    assert active.name.startswith("long long")
    assert len(active.name) == 200

    board.put(told("thread/status/changed", threadId="one", status={"type": "idle"}))
    assert board.active == []
