"""The documents as programs: their sections, fenced blocks and command lines."""

import asyncio
import re
from pathlib import Path

from tests.support.base.until import LIMIT

ROOT = Path(__file__).parents[3]


def without_section(text: str, heading: str) -> str:
    """A page without what stands below ``## HEADING``."""
    return text.replace(section(text, heading), "")


def section(text: str, heading: str) -> str:
    """What stands below ``## HEADING``, up to the next heading of that rank."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {heading}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Every command line behind a dollar sign."""
    return [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]


async def outcome(program: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run to the end without a terminal: the exit code, and all that was written."""
    child = await asyncio.create_subprocess_exec(
        *program,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT):
        written, _ = await child.communicate()
    return child.returncode or 0, written.decode()
