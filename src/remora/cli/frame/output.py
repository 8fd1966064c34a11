"""How results and failures reach the terminal or the script: one place for all commands."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from remora.core.errors import RemoraError
from remora.core.failure_lines import failure_lines
from remora.core.text import neutralise

if TYPE_CHECKING:
    from remora.wire.reports import Document

_PAGER: Final = "less"
_INDENT: Final = 9
"""Columns below which a failure's text begins."""
_MOVING: Final = re.compile("[\x80-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""What JSON leaves as it is, and a terminal does not."""


def write_document(document: "Document") -> None:
    """Write one JSON document as one line of UTF-8 to standard output, at once."""
    from remora.wire.reports import encode

    line = encode(document)
    if not line.isascii():  # the same document, with what could move a terminal or hide in it written as escapes
        line = _MOVING.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def tell(line: str) -> None:
    """Write one line for a person to standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def tell_what_goes_on(aliases: Sequence[str]) -> None:
    """Say that leaving does not end what the hub has begun to connect."""
    tell(f"Connection attempts continue in the background; end them with: remora disconnect {' '.join(aliases)}")


def write_listing(lines: Sequence[str]) -> None:
    """Write lines for a person to standard output, through the pager when they overflow a terminal."""
    text = "".join(f"{line}\n" for line in lines)
    if not (sys.stdout.isatty() and len(lines) >= shutil.get_terminal_size().lines and _page(text)):
        sys.stdout.write(text)
        sys.stdout.flush()


@contextmanager
def progress(label: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Count on one line of the terminal while the body works; nothing is left of it, and nothing goes elsewhere."""
    visible = shown and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def write(text: str) -> None:
        if visible:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    try:
        yield lambda done, total: write(f"{label} {done} of {total}")
    finally:
        write("")


def show_error(error: RemoraError, *, json: bool) -> None:
    """Show a failure: one error document on standard output, or sentences on standard error."""
    if json:
        from remora.wire.reports import ErrorDocument, error_body

        write_document(ErrorDocument(error=error_body(error)))
        return
    for line in failure_lines(error):
        for row in fitted(line):
            tell(row)


def fitted(line: str, *, indent: int = _INDENT) -> list[str]:
    """`line` in rows that a terminal shows whole, `indent` for those after the first; elsewhere it stays as it is.

    Words are never torn.
    """
    if not sys.stderr.isatty():
        return [line]
    rows = textwrap.wrap(
        line,
        shutil.get_terminal_size().columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return rows or [line]


def short_path(path: str) -> str:
    """A path as a person writes it: the home folder as a tilde, nothing that could disturb a terminal."""
    home = os.path.expanduser("~").rstrip("/")  # noqa: PTH111
    shortened = f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path
    return neutralise(shortened, limit=None, one_line=True)


def _page(text: str) -> bool:
    command = os.environ.get("PAGER", _PAGER)
    if not command or os.environ.get("TERM") == "dumb" or shutil.which(command.split()[0]) is None:
        return False
    environment = {"LESS": "FRX", **os.environ}
    with subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE, env=environment) as pager:
        try:
            pager.communicate(text.encode(sys.stdout.encoding, "backslashreplace"))
        except KeyboardInterrupt:
            pager.wait()
    return True
