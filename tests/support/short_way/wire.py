"""Two sides of an SSH connection in memory: an event loop without threads, a transport that keeps its packets."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import Any


class ThreadlessLoop(asyncio.SelectorEventLoop):
    """Does without threads: what asyncssh gives to one, a signature, is there at once and in its order."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class Wire:
    """What one side writes, as a transport; each write is one packet."""

    def __init__(self) -> None:
        self._packets: list[bytes] = []
        self._new_keys_from: int | None = None
        self.digest = sha256()
        self.closed = False

    def write(self, data: bytes) -> None:
        if not self.closed:
            self._packets.append(bytes(data))
            self.digest.update(data)

    def mark_new_keys(self) -> None:
        """Say that the next packet is the first one under new keys."""
        self._new_keys_from = len(self._packets)

    def take(self) -> tuple[list[bytes], int | None]:
        """What was written since, and which of it is the first packet under new keys."""
        packets, new_keys_from = self._packets, self._new_keys_from
        self._packets, self._new_keys_from = [], None
        return packets, new_keys_from

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("memory", 0) if name in {"peername", "sockname"} else default

    def pause_reading(self) -> None:
        """Nothing is read that was not given."""

    def resume_reading(self) -> None:
        """See above."""


@dataclass(frozen=True, slots=True)
class Spoiling:
    """How one of the packets on their way is changed."""

    how: str
    packet: float
    """Which one: a share of those that wait, or its number after new keys."""
    byte: int
    """Where in it; below zero from its end."""
    after_new_keys: bool = False

    def spoil(self, packets: list[bytes], new_keys_from: int | None) -> bool:
        """Change one of `packets`, if the one that is meant is there."""
        if self.after_new_keys:
            at = len(packets) if new_keys_from is None else new_keys_from + int(self.packet)
        else:
            at = int(self.packet * len(packets))
        if at >= len(packets):
            return False
        packet = packets[at]
        where = self.byte % len(packet)
        match self.how:
            case "flip":
                packets[at] = packet[:where] + bytes([packet[where] ^ (1 << at % 8)]) + packet[where + 1 :]
            case "truncate":
                packets[at] = packet[:where]
            case "insert":
                packets[at] = packet[:where] + packet[-1:] + packet[where:]
            case "replay":
                packets.insert(at, packet)
            case "swap":
                packets[at], packets[at - 1] = packets[at - 1], packets[at]
            case _:
                del packets[at]
        return True
