"""What differs from machine to machine and from run to run, replaced, so that each recording is the same."""

import re
from dataclasses import replace
from typing import Final

from scripts.screencast.screen import Line

_CODEX: Final = "/home/me/.local/bin/codex"
_MASKS: Final = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"(?<=SHA256:)[A-Za-z0-9+/]{43}", "DlJPlT0yojdCXkcprCXrbeT1VtG8+/zMt8ZQNEzhO2M"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "01a1fb3c-2ea3-7941-9406-6d06e4489e48"),
        (r"\bport \d+", "port 2222"),
        (r"\(process \d+\)", "(process 22827)"),
        (r"/\S*/demo-[^/\s]+/home(?=/)", "/home/me"),
        (r"/\S*/demo-[^/\s]+/tmp/remora-\d+/server-\d+\.log", "…"),
        (r"/\S+/bin/codex\b", _CODEX),
        (r"(?<=^ path {11})\S+", "/home/me/.local/bin:/usr/bin:/bin"),
        (r"\b[\w.-]+(?=@127\.0\.0\.1)", "me"),
        (r"(?<=/bash of )\S+|(?<=detached \()[\w.-]+(?=, started)|(?<=^ authentication )\S+", "me"),
        (r"Linux \w+", "Linux x86_64"),
        (r"( after| in|^ ) *[\d.]+ (ms|s|min)( \d+ s)?$", ""),
    )
)


def mask(lines: list[Line]) -> list[Line]:
    """The same lines with names, ids and times of nobody; blank lines at the end are dropped."""
    masked = [tuple(replace(run, text=text) for run in line if (text := _masked(run.text))) for line in lines]
    while masked and not masked[-1]:
        masked.pop()
    return masked


def _masked(text: str) -> str:
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text
