"""One stream that a person reads: a terminal of some width and ability, or a pipe.

Every view prints through a :class:`Page`. It is the place where the difference between a colour terminal, a
dumb one, a pipe and a locale without UTF-8 is known, so that no view has to ask.
"""

import codecs
import os
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import IO, Final, Protocol

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from remora.cli.process.signals import SIGNALS
from remora.core.text import neutralise

_PLAIN: Final = {
    "•": "*", "·": "-", "…": "...", "—": "-", "–": "-", "─": "-", "━": "=", "│": "|", "▌": "|", "└": "+",
    "✓": "+", "✗": "x",
    "→": "->", "↓": "v", "›": ">", "“": '"', "”": '"', "‘": "'", "’": "'", "±": "~",
}  # fmt: skip
_AWAY: Final = b"\r\x1b[J\x1b[?25h"
"""Take away what is drawn from here on, and show the cursor."""
_DUMB: Final = ("dumb", "unknown")
_DECORATION: Final = "remora-decoration"
_ECHO: Final = len("^C")
"""Columns that what is drawn again leaves to what the terminal itself shows of a key: else it would begin a row."""


def _without_unicode(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in wrong), error.end


codecs.register_error(_DECORATION, _without_unicode)


def remote(text: str, style: str = "", *, one_line: bool = False, limit: int | None = None) -> Text:
    """Text from the other side as something safe to print: no escapes, no markup, no links."""
    return Text(neutralise(text, limit=limit, one_line=one_line), style=style)


def speaks_unicode(environment: Mapping[str, str]) -> bool:
    """Whether the locale promises UTF-8. Python itself writes UTF-8 even where the terminal cannot show it."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    return "utf-8" in locale.lower() or "utf8" in locale.lower()


class _Stream(Protocol):
    encoding: str

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...
    def fileno(self) -> int: ...


class _Encoded:
    """A text stream that writes only what the reader's locale can show."""

    def __init__(self, stream: IO[str], encoding: str) -> None:
        self._stream = stream
        self.encoding = encoding

    def write(self, text: str, /) -> int:
        if not text.isascii():
            text = text.encode(self.encoding, _DECORATION).decode(self.encoding)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


class _Console(Console):
    """A console that leaves it to us how the program ends when nobody reads its output any more."""

    def on_broken_pipe(self) -> None:
        """Let :func:`remora.cli.main.main` hear of it."""
        raise BrokenPipeError


def _show_cursor(stream: IO[str]) -> None:
    """Give back what a drawn part has taken, without waiting for a terminal that stands still."""
    terminal = os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.write(terminal, _AWAY)


def _size(stream: IO[str]) -> os.terminal_size:
    try:
        return os.get_terminal_size(stream.fileno())
    except OSError:
        return os.terminal_size((80, 25))


class Page:
    """What views print on. `live` says whether a line may be drawn again."""

    def __init__(self, stream: IO[str], environment: Mapping[str, str], *, width: int | None = None) -> None:
        encoding = "utf-8" if speaks_unicode(environment) else "ascii"
        encoded: _Stream = _Encoded(stream, encoding)
        height = None
        if environment.get("TERM") in _DUMB:
            # rich takes every dumb terminal for one of 80 columns unless it is told both sizes.
            size = _size(stream)
            width, height = width or size.columns, size.lines
        self.console: Console = _Console(
            file=encoded,  # type: ignore[arg-type]  # rich asks for all of IO[str] and uses these four
            width=width,
            height=height,
            markup=False,
            emoji=False,
            highlight=False,
            _environ=environment,
        )
        self.terminal = self.console.is_terminal
        self.live = self.terminal and not self.console.is_dumb_terminal
        self._region: Live | None = None
        self._cursor = ExitStack()

    @property
    def width(self) -> int:
        """Columns of the terminal; rich's own default on a pipe."""
        return self.console.width

    def line(self, text: Text | str = "", *, prefix: Text | str = "", hang: int = 0) -> None:
        """Print one paragraph. On a terminal it wraps behind `prefix`; on a pipe its lines stay whole.

        Where text from elsewhere stands in the midst of ours, `hang` keeps what it is continued with off the edge.
        """
        body = Text(text) if isinstance(text, str) else text
        head = Text(prefix) if isinstance(prefix, str) else prefix
        if not self.terminal:
            for line in body.split("\n", allow_blank=True):
                whole = head.copy().append_text(line)
                whole.rstrip()
                self.console.print(whole, soft_wrap=True)
                head = Text(" " * (head.cell_len or hang))
        else:
            self.console.print(_Hanging(head, body, hang))

    def prompt(self, text: Text) -> None:
        """Print words after which the person types."""
        self.console.print(text, end="", soft_wrap=True)

    def whole_line(self, text: Text) -> None:
        """Print a line that a person will copy: never broken by us, whatever the width."""
        self.console.print(text, soft_wrap=True)

    def put(self, renderable: RenderableType, *, margin: int = 0) -> None:
        """Print a block, `margin` columns from the left edge."""
        self.console.print(Indented(renderable, margin) if margin else renderable, overflow="fold")

    def draw(self, renderable: RenderableType | None) -> None:
        """Show `renderable` below everything printed so far, in place of what was drawn there before.

        Of something taller than the screen only the end is shown. Does nothing where lines cannot be drawn
        again. `None` takes it away.
        """
        if not self.live:
            return
        if renderable is None:
            self.clear()
            return
        if self._region is None:
            self._region = Live(
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._cursor.enter_context(SIGNALS.before_end(partial(_show_cursor, self.console.file)))
            self._region.start()
        self._region.update(_Tail(renderable), refresh=True)

    def clear(self) -> None:
        """Take the drawn part away and give the cursor back."""
        region, self._region = self._region, None
        if region is not None:
            region.update(Text())
            region.stop()
            self._cursor.close()


def without_trailing_space(line: list[Segment]) -> list[Segment]:
    """A rendered line that can be copied as it looks."""
    kept = list(line)
    while kept and not kept[-1].text.strip():
        del kept[-1]
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return kept


class Indented:
    """A block that leaves the first columns of the screen empty."""

    def __init__(self, body: RenderableType, margin: int) -> None:
        self._body = body
        self._margin = margin

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inner = options.update(width=max(8, options.max_width - self._margin), height=None, overflow="fold")
        for line in console.render_lines(self._body, inner, pad=False):
            kept = without_trailing_space(line)
            if kept:
                yield Segment(" " * self._margin)
                yield from kept
            yield Segment.line()


class _Hanging:
    """A body wrapped to the right of a head."""

    def __init__(self, head: Text, body: Text, hang: int = 0) -> None:
        self._head = head
        self._body = body
        self._hang = hang

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = self._head.cell_len or self._hang
        inner = options.update(width=max(8, options.max_width - width), height=None, overflow="fold")
        head = self._head
        for line in console.render_lines(self._body, inner, pad=False):
            yield from head.render(console)
            yield from without_trailing_space(line)
            yield Segment.line()
            head = Text(" " * width)


class _Tail:
    """The end of something that may be taller than the screen."""

    def __init__(self, body: RenderableType) -> None:
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width - _ECHO, 1)
        lines = console.render_lines(self._body, options.update(width=width, height=None), pad=False)
        for line in lines[-max(3, console.height - 2) :]:
            yield from line
            yield Segment.line()
