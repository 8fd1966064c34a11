"""What the user typed, read into values: the place, the prompt, the images."""

import base64
import mimetypes
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from remora.core.errors import Code, UsageProblem
from remora.core.host.hosts import Address, parse_address
from remora.core.text import decode, neutralise

_STANDARD_INPUT: Final = "-"
_WRITTEN_AS_PATH: Final = re.compile(r"~(/\S*)?|\.{1,2}(/\S*)?|/[^\s/]+/\S*")
"""One word that a shell makes of ``~/proj`` and nobody says to an agent; ``/review`` does not look so."""


def read_place(text: str) -> Address:
    """``ALIAS``, ``ALIAS:DIR`` or ``ALIAS/THREAD``. Raises :class:`UsageProblem`."""
    return parse_address(text)


def read_thread(text: str) -> tuple[str, str]:
    """The host and the thread of ``ALIAS/THREAD``. Raises :class:`UsageProblem` when there is no thread."""
    address = parse_address(text)
    if address.thread is None:
        raise UsageProblem(
            Code.USAGE,
            f"{text!r} does not name a thread.",
            next_step=f"Name the host and the thread's id: {address.alias}/ID",
        )
    return address.alias, address.thread


def read_aliases(words: Sequence[str], *, command: str) -> list[str]:
    """Whole hosts, each once, in the order typed. Raises :class:`UsageProblem` for a place on a host."""
    addresses = [parse_address(word) for word in words]
    for address, word in zip(addresses, words, strict=True):
        if address.folder or address.thread:
            raise UsageProblem(
                Code.USAGE, f"{word!r} must name a host only.", next_step=f"Use: remora {command} {address.alias}"
            )
    return list(dict.fromkeys(address.alias for address in addresses))


def read_folder(word: str, *, command: str) -> Address:
    """``ALIAS`` or ``ALIAS:DIR``. Raises :class:`UsageProblem`, for a thread too."""
    address = parse_address(word)
    if address.thread is not None:
        raise UsageProblem(
            Code.USAGE,
            f"{word!r} names a thread, but {command} takes a host or a folder.",
            next_step=f"Use: remora {command} {address.alias}, or remora {command} {address.alias}:DIR",
        )
    return address


def read_prompt(typed: str | None, address: Address) -> str:
    """The prompt from the command line, or all of standard input for ``-``, where what is not UTF-8 is ``\\xNN``.

    Raises :class:`UsageProblem` when there is none, and when it is a path: ``remora run devbox ~/proj`` means a folder.
    """
    if typed is None:
        raise UsageProblem(
            Code.USAGE,
            "The prompt is missing.",
            next_step='Describe the task, for example: remora run devbox "fix the failing test"',
        )
    if typed == _STANDARD_INPUT:
        return _filled(decode(sys.stdin.buffer.read()))
    if _is_path(typed):
        shown = neutralise(typed, one_line=True)
        folder = "" if address.folder or address.thread else f" A folder belongs to the host: {address.alias}:DIR."
        raise UsageProblem(
            Code.USAGE,
            f"The prompt is only a path: {shown}.",
            next_step=f"Describe the task in words.{folder} To send the path as the prompt, pipe it to: remora run "
            f"{address.alias} -",
        )
    return _filled(typed)


def named_thread(option: str | None, address: Address) -> str | None:
    """The thread that ``--thread`` or the address names. Raises :class:`UsageProblem` when they name two."""
    if option is not None and address.thread is not None and option != address.thread:
        raise UsageProblem(
            Code.USAGE,
            f"Two threads are named: {address.thread!r} and {option!r}.",
            next_step=f"Name one: remora run {address.alias}/ID PROMPT",
        )
    return option if option is not None else address.thread


def _filled(prompt: str) -> str:
    if not prompt.strip():
        raise UsageProblem(Code.USAGE, "The prompt is empty.", next_step="Describe the task.")
    return prompt


def _is_path(typed: str) -> bool:
    """Whether `typed` is something on this machine, or is written as only a path is."""
    if _WRITTEN_AS_PATH.fullmatch(typed):
        return True
    try:
        return os.path.lexists(typed)
    except ValueError:  # a character that no path holds
        return False


def attach_images(paths: Sequence[str]) -> list[str]:
    """Image files as data URLs: they lie here and the agent is elsewhere. Raises :class:`UsageProblem`."""
    return [_data_url(path) for path in paths]


def _data_url(path: str) -> str:
    kind, _ = mimetypes.guess_type(path)
    if kind is None or not kind.startswith("image/"):
        raise UsageProblem(
            Code.USAGE,
            f"{path} does not have the name of an image file.",
            next_step="Attach PNG, JPEG, GIF or WebP files.",
        )
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageProblem(
            Code.USAGE, f"The image {path} cannot be read: {error.strerror}.", next_step="Check the path."
        ) from None
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
