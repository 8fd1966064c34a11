"""One conversation with the hub, and what it means when it falters."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from importlib.metadata import version
from typing import TypeVar

from remora.core.errors import Code, LaunchProblem, ProtocolProblem, RemoraError, UsageProblem
from remora.hub.shared.lines import LineStream
from remora.hub.shared.questions import answer_lent
from remora.ports import ByteStream, Dialogue
from remora.wire.hub import control

R = TypeVar("R", bound=control.Reply)


class HubEnded(LaunchProblem):
    """Nobody listens any more, or the hub ended in the middle of a conversation."""

    def __init__(self) -> None:
        super().__init__(
            Code.HUB_MUTE,
            "The hub has ended.",
            next_step="Run the command again; make links again with: remora connect",
        )


class Talk:
    """One connection to the hub, for one request."""

    hello: control.Hello

    def __init__(self, stream: ByteStream, patience: float) -> None:
        self._stream = stream
        self._lines = LineStream(stream, control.read_from_hub, limit=control.LINE_LIMIT)
        self._patience = patience

    async def begin(self, request: control.Request | None, *, any_version: bool) -> None:
        """Say hello and ask, in one flight."""
        mine = control.Hello(protocol=control.PROTOCOL, program=version("remora"), pid=os.getpid())
        requests = () if request is None else (request,)
        try:
            async with asyncio.timeout(self._patience):
                await self._lines.send(mine, *requests)
                said = await self._receive()
        except TimeoutError:
            raise mute(self._patience) from None
        except UnicodeEncodeError:
            raise UsageProblem(
                Code.USAGE,
                "A path on the command line or in SSH_AUTH_SOCK is not UTF-8, which the hub requires.",
                next_step="Rename that file.",
            ) from None
        if not isinstance(said, control.Hello):
            raise _strange(type(said).__name__)
        if said.protocol != control.PROTOCOL and not any_version:
            raise _other_version(said)
        self.hello = said

    async def reply(self, kind: type[R], dialogue: Dialogue | None) -> R:
        """The reply; questions before it are answered by `dialogue`. Raises the failure that the hub tells instead."""
        while True:
            said = await self._next()
            if isinstance(said, kind):
                return said
            if isinstance(said, control.RequestFailed):
                raise control.rebuild(said)
            if isinstance(said, control.HostKeyAsked | control.SecretAsked) and dialogue is not None:
                await self._lines.send(await answer_lent(said, dialogue))
            elif not isinstance(said, control.Status):
                raise _strange(type(said).__name__)

    async def states(self) -> AsyncGenerator[control.Status, None]:
        """The states that the hub tells until it ends."""
        while True:
            yield await self.reply(control.Status, None)

    async def let_go(self) -> None:
        """Say that nothing more is wanted, and wait a while for the hub to have dealt with that."""
        with suppress(TimeoutError, RemoraError):
            async with asyncio.timeout(self._patience):
                await self._stream.write_eof()
                while await self._stream.read():
                    pass

    async def _next(self) -> control.FromHub:
        """What comes next. A hub that is silent is asked whether it is there."""
        asked = False
        while True:
            waiting = asyncio.ensure_future(self._receive())
            try:
                done, _ = await asyncio.wait({waiting}, timeout=self._patience)
                while not done and not asked:
                    asked = True
                    await self._lines.send(control.Ping())
                    done, _ = await asyncio.wait({waiting}, timeout=self._patience)
            finally:
                if not waiting.done():
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
            if waiting.cancelled():
                raise mute(self._patience)
            said = waiting.result()
            if not isinstance(said, control.Pong):
                return said
            asked = False

    async def _receive(self) -> control.FromHub:
        try:
            said = await self._lines.receive()
        except control.Unreadable as error:
            raise _strange(str(error)) from None
        except HubEnded:
            raise
        except RemoraError as error:
            raise HubEnded from error
        if said is None:
            raise HubEnded
        return said


def mute(seconds: float) -> LaunchProblem:
    """The hub is there and says nothing."""
    return LaunchProblem(
        Code.HUB_MUTE,
        f"The hub did not answer within {seconds:g} seconds.",
        next_step="Stop it with: remora hub stop",
    )


def _other_version(hello: control.Hello) -> LaunchProblem:
    return LaunchProblem(
        Code.HUB_VERSION,
        f"The running hub belongs to remora {hello.program or '?'} and uses another protocol version ("
        f"{hello.protocol}, not {control.PROTOCOL}).",
        next_step="Stop it with: remora hub stop. Then connect again; the servers on the hosts keep running.",
    )


def _strange(seen: str) -> ProtocolProblem:
    return ProtocolProblem(
        Code.HUB_VERSION,
        "The program on the hub's socket is not a hub.",
        seen=seen,
        next_step="Stop it with: remora hub stop",
    )
