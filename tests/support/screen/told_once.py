"""What a run has told, once and in its order."""

from collections.abc import Awaitable, Callable

from tests.support.base.runs import of

from remora.wire.reports.run import (
    CommandCompleted,
    Message,
    RunEvent,
    TextDelta,
)


def once(kind: type, act: Callable[[], Awaitable[None] | None]) -> Callable[[RunEvent], Awaitable[None]]:
    """Do `act` at the first event of `kind`."""
    done = False

    async def look(event: RunEvent) -> None:
        nonlocal done
        if isinstance(event, kind) and not done:
            done = True
            result = act()
            if result is not None:
                await result

    return look


def assert_told_once(events: list[RunEvent]) -> None:
    """Every message whole and once, its pieces exactly its text."""
    messages = of(Message, events)
    assert len({message.item_id for message in messages}) == len(messages)
    for message in messages:
        assert (
            "".join(delta.text for delta in of(TextDelta, events) if delta.item_id == message.item_id) == message.text
        )
    commands = [command.item_id for command in of(CommandCompleted, events)]
    assert len(set(commands)) == len(commands)
