"""Threads of a real app server with long histories, made from one short thread that it has written itself."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

ITEM = 20_000
"""Bytes of one message in such a history."""


def multiply_thread(codex_home: Path, thread_id: str, *, threads: int, size: int, words: str) -> list[str]:
    """The ids of that many more threads in `codex_home`, each about `size` bytes long.

    They are what the thread is, with its agent's message, which has `words` in it, again and again.
    """
    [original] = codex_home.joinpath("sessions").rglob(f"rollout-*{thread_id}.jsonl")
    lines = [json.loads(line) for line in original.read_text().splitlines()]
    history = []
    for line in lines:
        history.append(line)
        if line["payload"].get("type") == "item_completed" and words in json.dumps(line):
            history += [_another(line, number) for number in range(size // ITEM)]
    text = "".join(
        json.dumps({**line, "ordinal": ordinal}, separators=(",", ":")) + "\n" for ordinal, line in enumerate(history)
    )
    ids = [str(UUID(int=UUID(thread_id).int + 1 + number)) for number in range(threads)]
    for new in ids:
        original.with_name(original.name.replace(thread_id, new)).write_text(text.replace(thread_id, new))
    return ids


def _another(line: dict[str, Any], number: int) -> dict[str, Any]:
    item = line["payload"]["item"]
    another = {**item, "id": f"{item['id']}-{number}", "content": [{"type": "Text", "text": f"{number:{ITEM}}"}]}
    return {**line, "payload": {**line["payload"], "item": another}}
