"""The other ways to a socket on a host that `scripts/bench link` measures: each is a program that listens here.

Run as a program: ``link_contestants.py LOCAL_SOCKET HOST PORT USER KEY REMOTE_SOCKET``: plain asyncssh forwarding.
"""

import asyncio
import sys


async def forward(local: str, host: str, port: str, user: str, key: str, remote: str) -> None:
    """Forward the unix socket `local` to `remote`, as asyncssh does when nothing else is said."""
    import asyncssh

    connection = asyncssh.connect(
        host, int(port), username=user, client_keys=[key], known_hosts=None, config=None, agent_path=None
    )
    async with connection as connected, await connected.forward_local_path(local, remote) as listener:
        print("ready", flush=True)
        await listener.wait_closed()


if __name__ == "__main__":
    asyncio.run(forward(*sys.argv[1:]))
