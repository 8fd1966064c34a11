"""What the user typed, read into values: the place, the prompt, the images."""

import base64
import mimetypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from remora.core.errors import Code, UsageProblem
from remora.core.hosts import Address, parse_address
from remora.core.text import decode

_STANDARD_INPUT: Final = "-"


def read_place(text: str) -> Address:
    """``ALIAS``, ``ALIAS:DIR`` or ``ALIAS/THREAD``. Raises :class:`UsageProblem`."""
    return parse_address(text)


def read_aliases(words: Sequence[str], *, command: str) -> list[str]:
    """Whole hosts, each once, in the order typed. Raises :class:`UsageProblem` for a place on a host."""
    addresses = [parse_address(word) for word in words]
    for address, word in zip(addresses, words, strict=True):
        if address.folder or address.thread:
            raise UsageProblem(
                Code.USAGE, f"{word!r} names more than a host.", next_step=f"Use: remora {command} {address.alias}"
            )
    return list(dict.fromkeys(address.alias for address in addresses))


def read_prompt(typed: str | None) -> str:
    """The prompt from the command line, or all of standard input for ``-``; what is no UTF-8 stands as ``\\xNN``.

    Raises :class:`UsageProblem` when there is none.
    """
    if typed is None:
        raise UsageProblem(
            Code.USAGE,
            "There is no prompt.",
            next_step='Say what to do, as in: remora run devbox "fix the failing test"',
        )
    prompt = decode(sys.stdin.buffer.read() if typed == _STANDARD_INPUT else os.fsencode(typed))
    if not prompt.strip():
        raise UsageProblem(Code.USAGE, "The prompt is empty.", next_step="Say what to do.")
    return prompt


def attach_images(paths: Sequence[str]) -> list[str]:
    """Image files as data URLs: they lie here and the agent is elsewhere. Raises :class:`UsageProblem`."""
    return [_data_url(path) for path in paths]


def _data_url(path: str) -> str:
    kind, _ = mimetypes.guess_type(path)
    if kind is None or not kind.startswith("image/"):
        raise UsageProblem(
            Code.USAGE, f"{path} is no image by its name.", next_step="Attach PNG, JPEG, GIF or WebP files."
        )
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageProblem(
            Code.USAGE, f"The image {path} cannot be read: {error.strerror}.", next_step="Check the path."
        ) from None
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
