"""The report of ``remora score``."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from remora.core.score.scorecard import Group, Item, Result, percent
from remora.core.text import escape_breaks, neutralise
from remora.wire.reports import ErrorBody, NoticeBody, Report

_EVIDENCE = 1000
"""Characters of remote text that an item keeps."""


class ItemBody(msgspec.Struct, kw_only=True):
    """One item. `result` is ``pass``, ``partial``, ``fail`` or ``unknown``; `command` is how it was measured,
    found in `source` of the project.

    `evidence` is remote text, neutralised and capped; `next` is empty where nothing is to be done.
    """

    name: str
    title: str
    result: str
    command: str
    source: str = ""
    evidence: str = ""
    next: str = ""
    seconds: float | None = None


class GroupBody(msgspec.Struct, kw_only=True):
    """Items of one kind; `score` of a hundred, null when nothing of it is known."""

    name: str
    score: float | None
    items: list[ItemBody]


class ScoreReport(Report, kw_only=True):
    """How ready a host and a repository are for agents.

    `score` of a hundred is over the items that are known: a pass is one point, partial half of one. `known` of `count`
    items are; `unknown` names the others (``group.item``). `ok` is false, with `error`, when `minimum` is not reached.
    """

    kind: ClassVar[str] = "score"
    alias: str
    hostname: str
    account: str
    folder: str
    commit: str | None
    codex: str | None
    score: float | None
    minimum: float | None
    known: int
    count: int
    seconds: float
    groups: list[GroupBody]
    unknown: list[str]
    error: ErrorBody | None = None
    notices: list[NoticeBody] = []


def group_bodies(items: Sequence[Item]) -> list[GroupBody]:
    """The public form of items, by group."""
    return [
        GroupBody(
            name=group.value,
            score=rounded(percent(members := [item for item in items if item.group is group])),
            items=[_item_body(item) for item in members],
        )
        for group in Group
    ]


def unknown_names(items: Sequence[Item]) -> list[str]:
    """The items that nothing is known of."""
    return [f"{item.group}.{item.name}" for item in items if item.result is Result.UNKNOWN]


def rounded(score: float | None) -> float | None:
    """A score as it is told: never better than it is."""
    return None if score is None else int(score * 10) / 10


def _item_body(item: Item) -> ItemBody:
    return ItemBody(
        name=item.name,
        title=item.title,
        result=item.result.value,
        command=escape_breaks(item.command),
        source=neutralise(item.source, one_line=True),
        evidence=neutralise(item.evidence.strip(), limit=_EVIDENCE),
        next=escape_breaks(item.next_step),
        seconds=item.seconds,
    )
