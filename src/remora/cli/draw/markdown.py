"""The agent's answer as Markdown that arrives in pieces.

A block is printed once, when it is complete; what scrolled away is never printed again. Lines of fenced code
count as blocks of their own, so that a long listing flows.
"""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import Heading, Markdown
from rich.segment import Segment
from rich.text import Text

from remora.cli.draw.page import without_trailing_space
from remora.core.text import neutralise

_FENCE: Final = re.compile(r"^(\s*)(`{3,}|~{3,})")
_ITEM: Final = re.compile(r"^([-*+]|\d{1,9}[.)])\s")
_BLOCK_LIMIT: Final = 8_000
"""Characters of one block. A longer one is shown plain: parsing can take the square of its length."""
_HELD_LIMIT: Final = 64 * 1024
"""Characters that are held of a block which does not end; then they are shown as if it did."""
_INDENTED: Final = re.compile(r"^(\s{2,}|\t)\S")


class _LeftHeading(Heading):
    """A heading that stays at the left edge, where the text is."""

    LEVEL_ALIGN = {**Heading.LEVEL_ALIGN, "h1": "left"}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.stylize("bold underline" if self.tag in {"h1", "h2"} else "bold")
        yield from super().__rich_console__(console, options)


class _Document(Markdown):
    """Markdown from the other side: no links that hide where they lead, no HTML that swallows text.

    Character references could spell control characters that :func:`neutralise` has just removed, so the
    parsed text is neutralised once more.
    """

    elements = {**Markdown.elements, "heading_open": _LeftHeading}

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False, code_theme="ansi_dark")
        parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("image")
        self.markup = neutralise(text, limit=None)
        self.parsed = parser.parse(self.markup)
        _neutralise_tokens(self.parsed)


class AgentMarkdown:
    """One block of the agent's text, without the blank lines and trailing spaces that rich puts around it."""

    def __init__(self, text: str) -> None:
        self._document = _Document(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rendered = console.render_lines(self._document, options.update(height=None), pad=False)
        lines = [without_trailing_space(line) for line in rendered]
        while lines and not lines[0]:
            del lines[0]
        while lines and not lines[-1]:
            del lines[-1]
        for line in lines:
            yield from line
            yield Segment.line()


def _neutralise_tokens(tokens: list[Token]) -> None:
    for token in tokens:
        token.content = neutralise(token.content, limit=None)
        for name, value in token.attrs.items():
            if isinstance(value, str):
                token.attrs[name] = neutralise(value, limit=None, one_line=True)
        _neutralise_tokens(token.children or [])


class MarkdownStream:
    """Cuts arriving text into blocks that are ready to print.

    :meth:`feed` and :meth:`finish` return what became complete; :attr:`pending` is the block under way.
    """

    def __init__(self) -> None:
        self._line: list[str] = []
        self._block: list[str] = []
        self._held = 0
        self._fence: tuple[str, int] | None = None
        self._gap = False
        self._blank = False
        self._after_item = False

    @property
    def pending(self) -> RenderableType | None:
        """What is not complete yet, as it would look now."""
        line = "".join(self._line)
        if self._fence is not None:
            return _code(line[-_BLOCK_LIMIT:], self._fence[1]) if line else None
        text = "\n".join([*self._block, line] if line else self._block)
        if len(text) > _BLOCK_LIMIT:
            return Text(neutralise(text, limit=_BLOCK_LIMIT))
        return AgentMarkdown(text) if text else None

    def feed(self, text: str) -> list[RenderableType]:
        """Take the next piece."""
        first, *rest = text.split("\n")
        self._line.append(first)
        ready: list[RenderableType] = []
        for following in rest:
            ready += self._take("".join(self._line).removesuffix("\r"))
            self._line = [following]
        self._held += len(text)
        if self._held > _HELD_LIMIT:
            ready += self._let_go()
        return ready

    def finish(self) -> list[RenderableType]:
        """The text has ended: whatever is left is complete."""
        last, self._line = "".join(self._line), []
        ready = self._take(last) if last else []
        self._fence = None
        return ready + self._close()

    def _let_go(self) -> list[RenderableType]:
        """Show what is held, and go on: the line under way continues below it, in its fence if it has one."""
        self._held = 0
        line, self._line = "".join(self._line), []
        ready = self._take(line) if line else []
        return ready if self._fence is not None else ready + self._close()

    def _take(self, line: str) -> list[RenderableType]:
        if self._fence is not None:
            return self._code_line(line, self._fence)
        opening = _FENCE.match(line)
        if opening:
            ready = self._close()
            self._fence, self._after_item = (opening[2], len(opening[1])), False
            return ready + self._spacer()
        if not line.strip():
            self._blank = True
            return []
        ready = self._close() if self._starts_block(line) else []
        if self._blank and self._block:
            self._block.append("")
        self._blank = False
        self._block.append(line)
        return ready

    def _starts_block(self, line: str) -> bool:
        if not self._block:
            return False
        in_list = bool(_ITEM.match(self._block[0]))
        if in_list and _ITEM.match(line):
            return True
        return self._blank and not (in_list and _INDENTED.match(line))

    def _code_line(self, line: str, fence: tuple[str, int]) -> list[RenderableType]:
        mark, indent = fence
        stripped = line.strip()
        if stripped.startswith(mark) and not stripped.strip(mark[0]):
            self._fence = None
            self._blank = True
            return []
        self._gap = True
        self._held = 0
        return [_code(line, indent)]

    def _close(self) -> list[RenderableType]:
        lines, self._block = self._block, []
        if not lines:
            return []
        item = bool(_ITEM.match(lines[0]))
        spacer = [] if item and self._after_item else self._spacer()
        self._gap, self._after_item = True, item
        self._held = 0
        text = "\n".join(lines)
        return [*spacer, AgentMarkdown(text) if len(text) <= _BLOCK_LIMIT else Text(neutralise(text, limit=None))]

    def _spacer(self) -> list[RenderableType]:
        return [Text()] if self._gap else []


def _code(line: str, indent: int) -> Text:
    own = len(line) - len(line.lstrip(" "))
    text = Text("  ")
    text.append(neutralise(line[min(own, indent) :], limit=None), style="cyan")
    return text
