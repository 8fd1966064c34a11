"""What the host says of a folder where a client starts a thread, where its threads work, and the sandbox that such a
thread gets afterwards.

Each question goes over a connection of its own, so that no answer has to be taken out of the client's.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remora.core.errors import RemoraError
from remora.core.settings import Limits
from remora.core.trust.safety import SafetyConfig
from remora.flows.server.rpc import open_rpc
from remora.flows.server.thread_client import ThreadClient
from remora.ports import ByteStream, Clock
from remora.wire.appserver import safety
from remora.wire.appserver.jsonrpc import Framing
from remora.wire.client.thread_terms import says_trusted, trust_question

_SETS_LATER: Final = (0, 163)
"""From this version on a thread takes another sandbox from any connection."""

OpenServer = Callable[[], Awaitable[ByteStream]]
"""Gives a connection to the app server."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the host trusts a folder. `account` is what it configured, `None` where nobody tells; with `sets_later` a
    thread can get its sandbox after its start.
    """

    trusted: bool
    account: SafetyConfig | None = None
    sets_later: bool = False

    @property
    def names_sandbox(self) -> bool:
        """Whether the account is known to have chosen what may be written."""
        return self.account is not None and (self.account.sandbox or self.account.profile) is not None

    def sandbox(self, asked: str | None) -> Mapping[str, Any] | None:
        """The sandbox of a thread for which `asked` was said, in the server's words; `None` where it has to be said at
        the start.
        """
        if self.account is None or not self.sets_later:
            return None
        terms = safety.own_terms(self.account, asked, None, trusted=False, distrusted=False)
        found: Mapping[str, Any] | None = terms.sandbox_words.get("sandboxPolicy")
        return found


class ClientHost:
    """The host's side of what a client is told."""

    def __init__(self, open_server: OpenServer, *, clock: Clock, limits: Limits) -> None:
        self._open_server = open_server
        self._clock = clock
        self._limits = limits

    async def standing(self, folder: str) -> Standing:
        """What its configuration says of `folder`. A server that does not tell trusts nothing."""
        try:
            stream = await self._open_server()
            async with open_rpc(stream, Framing.WEBSOCKET, clock=self._clock, limits=self._limits) as rpc:
                if says_trusted(await rpc.request("config/read", trust_question(folder)), folder):
                    return Standing(trusted=True)
                version = re.match(r"(\d+)\.(\d+)", rpc.server.version or "")
                sets_later = version is not None and (int(version[1]), int(version[2])) >= _SETS_LATER
                account = safety.read_safety_config(await rpc.request("config/read", safety.read_account()))
                return Standing(trusted=False, account=account, sets_later=sets_later)
        except RemoraError:
            return Standing(trusted=False)

    async def folder_of(self, thread_id: str) -> str | None:
        """Where a thread works; `None` where the server does not tell."""
        try:
            stream = await self._open_server()
            async with open_rpc(stream, Framing.WEBSOCKET, clock=self._clock, limits=self._limits) as rpc:
                return await ThreadClient(rpc).folder(thread_id)
        except RemoraError:
            return None

    async def set_sandbox(self, thread_id: str, sandbox: Mapping[str, Any]) -> bool:
        """Give a thread this sandbox; whether the server did. To do so trusts nothing."""
        try:
            stream = await self._open_server()
            async with open_rpc(stream, Framing.WEBSOCKET, clock=self._clock, limits=self._limits) as rpc:
                await rpc.request("thread/settings/update", {"threadId": thread_id, "sandboxPolicy": sandbox})
        except RemoraError:
            return False
        return True
