"""A failure on a terminal: no word is torn at the edge, and nothing is wrapped for programs."""

from tests.support.base.loop import run
from tests.support.base.program import remora
from tests.support.screen.terminal_program import on_terminal

_WORDS = ("disconnect", "devbox", "--force")


def test_a_failure_fits_the_terminal_and_is_whole_lines_elsewhere() -> None:
    async def go() -> str:
        async with on_terminal(*_WORDS, environment={}, columns=30) as program:
            assert await program.ends() == 2
            return program.screen.drain()

    assert [row.rstrip() for row in run(go()).splitlines()] == [
        "remora: --force belongs to",
        "         --stop-server.",
        "  code:  usage (stage: usage)",
        "  next:  Omit --force; a link",
        "         is dropped without",
        "         it.",
    ]
    assert remora(*_WORDS, environment={}).stderr.decode().splitlines() == [
        "remora: --force belongs to --stop-server.",
        "  code:  usage (stage: usage)",
        "  next:  Omit --force; a link is dropped without it.",
    ]
