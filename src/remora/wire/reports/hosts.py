"""The report of ``remora hosts``."""

from typing import ClassVar

import msgspec

from remora.wire.reports import Document, ErrorBody


class HostRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One alias and where it is written; with ``--resolve`` also what OpenSSH makes of it, or why not."""

    alias: str
    file: str
    line: int
    user: str | None = None
    hostname: str | None = None
    port: int | None = None
    jump: str | None = None
    error: ErrorBody | None = None


class LineProblem(msgspec.Struct, kw_only=True):
    """A place in the configuration that could not be read; the rest was."""

    file: str
    line: int
    message: str


class HostsReport(Document, kw_only=True):
    """Every concrete alias, in the order of the files."""

    kind: ClassVar[str] = "hosts"
    hosts: list[HostRow]
    problems: list[LineProblem] = []
