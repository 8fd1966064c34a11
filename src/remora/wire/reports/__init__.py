"""The public JSON documents: one model for people and scripts alike.

Every document carries ``"schema": "remora/1"`` and ``"kind"``. Human text is a view of the same values.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

import msgspec

from remora.core.errors import RemoraError
from remora.core.host.hosts import Notice

SCHEMA: Final = "remora/1"


class Document(msgspec.Struct, kw_only=True, omit_defaults=False):
    """One JSON document. Subclasses set `kind`; fields that are `None` are written as null."""

    kind: ClassVar[str] = ""


class ErrorBody(msgspec.Struct, kw_only=True):
    """One failure, as in docs/troubleshooting.md."""

    code: str
    stage: str
    verdict: str
    message: str
    seen: str
    next: str
    host: str | None = None


class NoticeBody(msgspec.Struct, kw_only=True):
    """Something to know that stopped nothing."""

    code: str
    message: str


class Report(Document, kw_only=True):
    """What came of a command as a whole; `exit_code` is the exit status of the command."""

    ok: bool
    exit_code: int


class ErrorDocument(Document, kw_only=True):
    """The whole command failed."""

    kind: ClassVar[str] = "error"
    error: ErrorBody


def error_body(error: RemoraError) -> ErrorBody:
    """The public form of an error."""
    return ErrorBody(
        code=error.code.value,
        stage=error.stage.value,
        verdict=error.verdict.value,
        message=error.message,
        seen=error.seen,
        next=error.next_step,
        host=error.host,
    )


def notice_bodies(notices: Iterable[Notice]) -> list[NoticeBody]:
    """The public form of notices."""
    return [NoticeBody(code=notice.code, message=notice.message) for notice in notices]


def encode(document: Document) -> bytes:
    """One line of JSON, without the newline, ``schema`` and ``kind`` first."""
    body: dict[str, Any] = msgspec.to_builtins(document)
    return msgspec.json.encode({"schema": SCHEMA, "kind": document.kind, **body})
