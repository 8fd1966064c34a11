"""Reach the relay on a host, or start it there: one exec channel, and no file of the program on the host."""

import asyncio
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from remora.core.errors import RemoraError
from remora.core.link.relay_faults import relay_failed, relay_silent, relay_start_problem
from remora.core.server.answers import AnswerReader, without_escapes
from remora.core.server.probes import HostFacts
from remora.core.server.shells import quote_words
from remora.core.settings import Limits
from remora.core.text import decode
from remora.flows.kit.handover import Handover
from remora.flows.kit.timeout import dismiss, within
from remora.ports import ByteStream, Clock, RemoteHost, RemoteProcess
from remora.wire.relay.relay_frames import PROTOCOL

_ENTRY: Final = "remora.remote.relay.entry"
_MODULES: Final = (
    "remora.wire.relay.relay_frames",
    "remora.wire.relay.frame_session",
    "remora.remote.relay.spool",
    "remora.remote.relay.folder",
    "remora.remote.relay.ends",
    "remora.remote.relay.children",
    "remora.remote.relay.loop",
    "remora.remote.relay.targets",
    "remora.remote.relay.hosted_session",
    "remora.remote.relay.terms",
    "remora.remote.relay.attachment",
    "remora.remote.relay.service",
)
"""In the order in which they need each other."""
_LOADER: Final = 'import binascii,zlib;exec(zlib.decompress(binascii.a2b_base64("{}")))'
_READ: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPlace:
    """Where the relay of one app server runs: with which Python, in which folder, for which control socket."""

    python: str
    runtime_folder: str
    key: str
    server_socket: str


def relay_place(facts: HostFacts) -> RelayPlace | None:
    """The place on the host that `facts` describe; `None`: it has no Python, or no folder, that would do."""
    if facts.python is None or facts.runtime_folder is None or not facts.key or not facts.socket.path:
        return None
    return RelayPlace(
        python=facts.python,
        runtime_folder=facts.runtime_folder,
        key=facts.key,
        server_socket=facts.socket.path,
    )


async def reach_relay(
    host: RemoteHost, place: RelayPlace, *, clock: Clock, limits: Limits, nonce: Callable[[], str]
) -> ByteStream:
    """A stream to the relay at `place`, for :meth:`RelaySession.attach`; starts it when none runs.

    One round trip when one runs, two when it is started. Raises ``relay-failed`` with what the host said, and what
    :meth:`RemoteHost.start` raises.
    """
    word = nonce()
    process = await host.start(_words(place, word))
    greeting = _Greeting(process, AnswerReader(word, noise_limit=limits.noise))
    try:
        return await within(clock, limits.shell_total, greeting.greet(), error=relay_silent(limits.shell_total))
    except BaseException:
        await greeting.close()
        raise


@cache
def relay_program() -> bytes:
    """The program as it travels: compressed source, one entry and the modules that it loads."""
    parts = [(name, _source(name)) for name in _MODULES]
    text = f"{_source(_ENTRY)}\nPARTS += {parts!r}\n"
    return zlib.compress(text.encode(), 9)


def relay_name(key: str) -> str:
    """What the relay's files are called. Another version of the program is another relay."""
    return f"relay-{key}-{PROTOCOL}-{sha256(relay_program()).hexdigest()[:8]}"


class _Greeting:
    """The exec channel, until what the login shell wrote is out of the way."""

    def __init__(self, process: RemoteProcess, reader: AnswerReader) -> None:
        self._process = process
        self._reader = reader
        self._draining = asyncio.ensure_future(self._drain_errors())

    async def greet(self) -> ByteStream:
        """Wait until the relay has the channel, and give it; send the program when there is none."""
        while self._reader.ended != "ready":
            if self._reader.ended == "send":
                self._reader.begin()
                await self._process.write(relay_program())
            elif self._reader.ended is not None:
                answers = self._reader.answers
                raise relay_start_problem(self._reader.ended, answers.one("problem") or "")
            data = await self._process.read(_READ)
            if not data:
                status = (await self._process.wait()).status
                raise relay_failed(
                    f"The relay could not be reached: the host ended the command{_with_status(status)}.",
                    without_escapes(decode(self._reader.noise)),
                )
            self._reader.feed(data)
        return Handover(self._reader.rest(), self._process, self.close)

    async def close(self) -> None:
        """Let go of the channel. Idempotent."""
        await self._process.close()
        await dismiss(self._draining)

    async def _drain_errors(self) -> None:
        with suppress(RemoraError):  # whoever reads standard output learns the same
            while data := await self._process.read_error():
                self._reader.add_noise(data)


def _words(place: RelayPlace, word: str) -> Sequence[str]:
    program = relay_program()
    given = (place.runtime_folder, relay_name(place.key), place.server_socket, sha256(program).hexdigest())
    blob = "\0".join((*given, str(len(program)))).encode("utf-8", "surrogateescape")
    words = (place.python, "-ISB", "-c", _bootstrap(), word, b64encode(blob).decode())
    plain = quote_words(words).startswith(quote_words(words[:1]))
    return ("exec", *words) if plain else words  # with a strange path, a shell of our own does the replacing


@cache
def _bootstrap() -> str:
    return _LOADER.format(b64encode(zlib.compress(_source("remora.remote.relay.bootstrap").encode(), 9)).decode())


def _source(module: str) -> str:
    package, _, name = module.rpartition(".")
    return files(package).joinpath(f"{name}.py").read_text("utf-8")


def _with_status(status: int | None) -> str:
    return "" if status is None else f" with status {status}"
