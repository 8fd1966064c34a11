"""A thread on another machine, from Python.

    python examples/library.py devbox '~/proj' "fix the failing test"

A live link (remora connect) is used when there is one, without another login. The objects stay the same when the
connection is lost and made again. Requests of the agent are declined unless `approvals` decides otherwise.
"""

import asyncio
import os
import sys
from contextlib import aclosing

import remora
from remora.wire.reports.run import Message, RunReport


async def main(alias: str, folder: str, prompt: str) -> None:
    """Start a thread, show what it says, and continue it."""
    async with remora.connect(alias, ssh_config=os.environ.get("REMORA_SSH_CONFIG")) as host:
        thread = await host.start_thread(cwd=folder)
        for words in (prompt, "Sum up what you did."):
            async with aclosing(thread.run(words)) as events:
                async for event in events:
                    match event:
                        case Message(text=text):
                            print(text)
                        case RunReport(outcome=outcome, changed_files=files):
                            print(outcome, files)


asyncio.run(main(*sys.argv[1:4]))
