"""The readiness scorecard: its items, and what they sum up to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Group(StrEnum):
    """What an item is about."""

    ENVIRONMENT = "environment"
    INSTRUCTIONS = "instructions"
    PERMISSIONS = "permissions"
    REVIEW = "review"


class Result(StrEnum):
    """What a measurement said. ``unknown`` is not zero: it counts neither for nor against."""

    PASS = "pass"  # noqa: S105 - a word
    PARTIAL = "partial"
    FAIL = "fail"
    UNKNOWN = "unknown"


_POINTS: Final = {Result.PASS: 1.0, Result.PARTIAL: 0.5, Result.FAIL: 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that was measured. `command` is how, as a person could do it, found in `source` of the project.

    `evidence` is what was seen (remote, raw); `next_step` is empty where nothing is to be done.
    """

    name: str
    group: Group
    title: str
    result: Result
    command: str
    source: str = ""
    evidence: str = ""
    next_step: str = ""
    seconds: float | None = None


def percent(items: Sequence[Item]) -> float | None:
    """The points of those that are known, of a hundred; `None` when nothing is known."""
    points = [_POINTS[item.result] for item in items if item.result is not Result.UNKNOWN]
    return 100 * sum(points) / len(points) if points else None


def unknown(item: Item, why: str, next_step: str) -> Item:
    """`item` as something that could not be measured."""
    return replace(item, result=Result.UNKNOWN, evidence=why, next_step=next_step)


def blank(name: str, group: Group, title: str, command: str, *, source: str = "") -> Item:
    """An item that nothing is known of yet."""
    return Item(name=name, group=group, title=title, result=Result.UNKNOWN, command=command, source=source)


def judged(item: Item, result: Result, evidence: str, next_step: str = "") -> Item:
    """`item` as it was measured."""
    return replace(item, result=result, evidence=evidence, next_step="" if result is Result.PASS else next_step)
