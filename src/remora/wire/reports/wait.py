"""The report of ``remora wait``."""

from typing import ClassVar

import msgspec

from remora.core.server.markers import Marker
from remora.wire.reports import ErrorBody, Report


class WaitMoved(msgspec.Struct, kw_only=True):
    """Progress: what a host is now, in words; remote text in it is neutralised."""

    host: str
    detail: str


class WaitResult(msgspec.Struct, kw_only=True):
    """One host. What was not waited for is `None`; `liveness` is `None` without a link, too."""

    host: str
    ok: bool
    seconds: float
    marker: Marker | None = None
    liveness: str | None = None
    active_threads: int | None = None
    error: ErrorBody | None = None


class WaitReport(Report, kw_only=True):
    """All hosts, in the order asked. `awaited` holds values of :class:`Awaited`, as asked for."""

    kind: ClassVar[str] = "wait"
    awaited: list[str]
    hosts: list[WaitResult]


WaitProgress = WaitMoved | WaitResult | WaitReport
"""What comes while hosts are waited for; the report at the end."""
