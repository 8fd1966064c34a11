"""The report of ``remora login``."""

from typing import ClassVar

from remora.wire.reports import ErrorBody, NoticeBody, Report


class LoginReport(Report, kw_only=True):
    """How codex on one host is signed in, by the word of a real request.

    `state` is a word of :class:`Proof`; `action` is ``signed-in``, ``refused`` (what was there
    before is untouched) or ``read``. `login` is codex's kind of account, `expires` the noted end of the secret.
    """

    kind: ClassVar[str] = "login"
    alias: str
    hostname: str
    account: str
    action: str
    state: str
    detail: str = ""
    login: str | None = None
    expires: str | None = None
    error: ErrorBody | None = None
    notices: list[NoticeBody] = []
