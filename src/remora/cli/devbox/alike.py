"""Hosts of a dry run whose plans are the same."""

from collections.abc import Sequence
from typing import Final

from remora.wire.reports.provision import HostProvision

NAMED: Final = 5
"""So many hosts of which the same is said are named."""


def alike(hosts: Sequence[HostProvision]) -> list[list[HostProvision]]:
    """`hosts` by what would be done at them, in the order of the first of each kind; failures are not among them.

    What the steps say of what is there, and the bytes that travel, may differ among hosts that are alike.
    """
    groups: dict[object, list[HostProvision]] = {}
    for host in hosts:
        if host.outcome in ("would-change", "unchanged"):
            steps = tuple((step.title, step.outcome) for step in host.steps)
            groups.setdefault((host.outcome, steps), []).append(host)
    return list(groups.values())


def named(aliases: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = len(aliases) - NAMED
    return ", ".join(aliases[:NAMED]) + (f" and {more} more" if more > 0 else "")
