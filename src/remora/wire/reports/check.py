"""The report of ``remora check``."""

from typing import ClassVar

import msgspec

from remora.wire.reports import ErrorBody, NoticeBody, Report


class StageBody(msgspec.Struct, kw_only=True):
    """One stage of the proof: `outcome` is ``ok``, ``warning``, ``failed`` or ``skipped``; `seconds` its own time."""

    stage: str
    outcome: str
    detail: str
    seconds: float | None = None
    error: ErrorBody | None = None


class StageProven(msgspec.Struct, kw_only=True):
    """Progress: a host has passed through one stage. The same stage stands in its :class:`HostCheck` later."""

    alias: str
    stage: StageBody


class CodexEntry(msgspec.Struct, kw_only=True):
    """One codex found on the host, in search order; `problem` says why it cannot be used."""

    path: str
    version: str | None = None
    chosen: bool = False
    problem: str | None = None


class HostCheck(msgspec.Struct, kw_only=True):
    """What was proven about one host."""

    alias: str
    ok: bool
    seconds: float
    stages: list[StageBody]
    codex: list[CodexEntry] = []
    plan: list[str] = []
    notices: list[NoticeBody] = []


class CheckReport(Report, kw_only=True):
    """All hosts that were checked, in the order asked."""

    kind: ClassVar[str] = "check"
    hosts: list[HostCheck]


CheckProgress = StageProven | HostCheck | CheckReport
"""What comes while hosts are checked: stages as they are proven, hosts as they are done, the report at the end."""
