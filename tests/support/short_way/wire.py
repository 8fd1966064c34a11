"""Two sides of an SSH connection in memory: an event loop without threads, a transport that keeps its packets."""

import asyncio
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
        self.packets: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        if not self.closed:
            self.packets.append(bytes(data))

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


def spoiled(packets: list[bytes], how: str, place: float, more: float) -> list[bytes]:
    """The packets with one of them changed, which `place` and `more`, shares of the whole, name."""
    at = int(place * len(packets))
    packet = packets[at]
    if how == "flip":
        where = int(more * len(packet))
        packets[at] = packet[:where] + bytes([packet[where] ^ (1 << at % 8)]) + packet[where + 1 :]
    elif how == "truncate":
        packets[at] = packet[: int(more * len(packet))]
    elif how == "replay":
        packets.insert(at, packet)
    elif how == "swap":
        packets[at], packets[at - 1] = packets[at - 1], packets[at]
    else:
        del packets[at]
    return packets
