"""The documents of ``provision``: the plan of a dry run and the report of a run are the same model."""

from typing import ClassVar

import msgspec

from remora.wire.reports import Document, ErrorBody, NoticeBody, Report


class StepBody(msgspec.Struct, kw_only=True):
    """One step at one host. `outcome`: ``changed``, ``unchanged``, ``would-change``, ``failed``, ``skipped``.

    `bytes` travelled to the host for it, or would travel.
    """

    name: str
    title: str
    outcome: str
    detail: str = ""
    seconds: float | None = None
    bytes: int = 0
    error: ErrorBody | None = None
    notices: list[str] = []


class StepStarted(msgspec.Struct, kw_only=True):
    """Progress: this host begins a step (`index` from 1 of `count`)."""

    alias: str
    name: str
    title: str
    index: int
    count: int


class StepMoved(msgspec.Struct, kw_only=True):
    """Progress within a step: bytes sent of all, or a line that a script wrote; remote text, neutralised."""

    alias: str
    name: str
    bytes_sent: int = 0
    bytes_total: int = 0
    line: str = ""


class StepDone(msgspec.Struct, kw_only=True):
    """Progress: a step has ended."""

    alias: str
    step: StepBody


class HostProvision(msgspec.Struct, kw_only=True):
    """One host. `outcome`: ``changed``, ``unchanged``, ``would-change``, ``failed``, ``skipped``; `bytes` that went to
    it for steps; `dials` SSH connections made; `error` is what stopped it outside of a step; `log` the file on this
    machine with what happened, where anything did."""

    alias: str
    ok: bool
    outcome: str
    digest: str = ""
    seconds: float = 0.0
    bytes: int = 0
    dials: int = 0
    steps: list[StepBody] = []
    error: ErrorBody | None = None
    notices: list[NoticeBody] = []
    log: str | None = None


class ProvisionReport(Report, kw_only=True):
    """All hosts, in the manifest's order. `exit_code` is 0, or 13 when any host failed."""

    kind: ClassVar[str] = "provision"
    dry_run: bool
    hosts: list[HostProvision]


class EmittedReport(Document, kw_only=True):
    """What was written for another engine: `files`, relative to `folder`, and what is to be known of them."""

    kind: ClassVar[str] = "emitted"
    folder: str
    engine: str
    files: list[str]
    notices: list[str]


ProvisionProgress = StepStarted | StepMoved | StepDone | HostProvision | ProvisionReport
"""What comes while hosts are provisioned; the report at the end."""
