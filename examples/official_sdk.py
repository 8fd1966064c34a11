"""The official Python SDK (pip install openai-codex) with its app server on another machine.

    python examples/official_sdk.py devbox /srv/proj "fix the failing test"

Nothing of the SDK is changed: it starts `remora bridge` instead of a local `codex app-server`. A lost connection is a
pause; what runs on the host goes on meanwhile. Mind that this SDK accepts approvals by itself unless it is told
otherwise, and that folders are those of the host: `cwd` is an absolute path there.
"""

import asyncio
import sys

from openai_codex import AsyncCodex, Codex, CodexConfig


def ask(alias: str, folder: str, prompt: str) -> str | None:
    """One turn, waiting for its end."""
    with Codex(CodexConfig(launch_args_override=("remora", "bridge", alias))) as codex:
        thread = codex.thread_start(cwd=folder)
        return thread.run(prompt).final_response


async def ask_async(alias: str, folder: str, prompt: str) -> str | None:
    """The same, for programs with an event loop."""
    async with AsyncCodex(CodexConfig(launch_args_override=("remora", "bridge", alias))) as codex:
        thread = await codex.thread_start(cwd=folder)
        return (await thread.run(prompt)).final_response


if __name__ == "__main__":
    print(ask(*sys.argv[1:4]))
    print(asyncio.run(ask_async(*sys.argv[1:4])))
