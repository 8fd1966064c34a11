"""Lines of a terminal as an animated SVG: CSS alone, no script, and no font but what the reader has."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from scripts.screencast.play import ANSWER, QUESTION
from scripts.screencast.screen import Line, Run, Style

COLUMNS: Final = 104
ROWS: Final = 32
_WIDTH: Final = 8.4
"""Of one character, in pixels; each run names its place, so another font moves nothing."""
_HEIGHT: Final = 18
_MARGIN: Final = 16
_PACE: Final = 0.14
"""Seconds from one line to the next."""
_PAUSE: Final = 0.9
"""Seconds of rest after a paragraph."""
_THOUGHT: Final = 3.5
"""Seconds before a person answers."""
_REST: Final = 8.0
"""Seconds that the end stays."""
_BACKGROUND: Final = "#16181d"
_PLAIN: Final = "#d6d9e0"
_COLORS: Final = ("#7a8290", "#ef6b73", "#8ccf7e", "#e5c76b", "#67b0e8", "#c47fd5", "#6cd0ca", "#d6d9e0")


@dataclass(frozen=True, slots=True)
class Moment:
    """From `at` seconds on, `shown` lines are visible."""

    at: float
    shown: int


def draw(lines: list[Line]) -> str:
    """The whole picture."""
    wrapped = [part for line in lines for part in _wrapped(line)]
    moments, answered = _moments(wrapped)
    total = moments[-1].at + _REST
    width, height = COLUMNS * _WIDTH + 2 * _MARGIN, ROWS * _HEIGHT + 2 * _MARGIN
    rows = "\n".join(_row(number, line) for number, line in enumerate(wrapped) if line)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" \
xml:space="preserve" role="img" aria-label="remora demo, recorded in a terminal">
<style>
text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: {_PLAIN}; \
white-space: pre }}
.b {{ font-weight: bold }} .d {{ opacity: .6 }} .i {{ font-style: italic }}
{" ".join(f".c{number} {{ fill: {color} }}" for number, color in enumerate(_COLORS))}
.scroll {{ animation: scroll {total:g}s step-end infinite }}
.cover {{ animation: cover {total:g}s step-end infinite }}
.typed {{ animation: typed {total:g}s step-end infinite }}
@keyframes scroll {{ {_keyframes(moments, total, lambda shown: max(0, shown - ROWS) * -_HEIGHT)} }}
@keyframes cover {{ {_keyframes(moments, total, lambda shown: shown * _HEIGHT)} }}
@keyframes typed {{ 0% {{ visibility: hidden }} {_percent(answered, total)} {{ visibility: visible }} }}
@media (prefers-reduced-motion: reduce) {{
.scroll, .cover, .typed {{ animation: none }} .scroll {{ transform: translateY({-(len(wrapped) - ROWS) * _HEIGHT}px) }}
.cover {{ transform: translateY({len(wrapped) * _HEIGHT}px) }} }}
</style>
<rect width="100%" height="100%" rx="8" fill="{_BACKGROUND}"/>
<svg x="{_MARGIN}" y="{_MARGIN}" width="{COLUMNS * _WIDTH:g}" height="{ROWS * _HEIGHT}">
<g class="scroll">
{rows}
<rect class="cover" width="100%" height="{(len(wrapped) + ROWS) * _HEIGHT}" fill="{_BACKGROUND}"/>
</g>
</svg>
</svg>
"""


def _wrapped(line: Line) -> Iterator[Line]:
    """The line in parts that fit; what follows the first is indented, as the program itself does."""
    text = "".join(run.text for run in line)
    if len(text) <= COLUMNS:
        yield line
        return
    style = line[-1].style
    first, *rest = textwrap.wrap(text, COLUMNS, subsequent_indent=" " * 6, break_on_hyphens=False)
    yield _beginning(line, len(first))
    for part in rest:
        yield (Run(part, style),)


def _beginning(line: Line, length: int) -> Line:
    kept: list[Run] = []
    for run in line:
        kept.append(Run(run.text[:length], run.style))
        length -= len(run.text)
        if length <= 0:
            break
    return tuple(kept)


def _moments(lines: list[Line]) -> tuple[list[Moment], float]:
    """When how many lines are shown, and when the answer is typed."""
    now, answered, moments = 0.6, 0.0, []
    for shown, line in enumerate(lines, 1):
        moments.append(Moment(now, shown))
        now += _PACE if line else _PAUSE
        if _asks(line):
            answered = now + _THOUGHT
            now = answered + _PAUSE
    return moments, answered


def _asks(line: Line) -> bool:
    return "".join(run.text for run in line).startswith(QUESTION.decode())


def _keyframes(moments: list[Moment], total: float, offset: Callable[[int], int]) -> str:
    frames = [f"0% {{ transform: translateY({offset(0)}px) }}"]
    frames += [
        f"{_percent(moment.at, total)} {{ transform: translateY({offset(moment.shown)}px) }}" for moment in moments
    ]
    return " ".join(frames)


def _percent(at: float, total: float) -> str:
    return f"{100 * at / total:.2f}%"


def _row(number: int, line: Line) -> str:
    bottom = number * _HEIGHT + 14
    column, drawn = 0, []
    for run in line:
        classes = [*_classes(run.style), *(["typed"] if _asks(line) and run.text == ANSWER.decode().strip() else [])]
        named = f' class="{" ".join(classes)}"' if classes else ""
        if run.text.strip():
            drawn.append(f'<tspan x="{column * _WIDTH:g}"{named}>{escape(run.text, quote=False)}</tspan>')
        column += len(run.text)
    return f'<text y="{bottom}">{"".join(drawn)}</text>'


def _classes(style: Style) -> list[str]:
    marks = [("b", style.bold), ("d", style.dim), ("i", style.italic)]
    return [*(name for name, holds in marks if holds), *([f"c{style.color}"] if style.color is not None else [])]
