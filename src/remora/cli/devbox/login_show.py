"""Signing in with a person or a script before it."""

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rich.text import Text

from remora import api
from remora.cli.draw.failure import show_failure
from remora.cli.frame.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.frame.dialogue import Questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import tell, write_document
from remora.cli.frame.timed_run import limit_blocking
from remora.cli.link.link_watch_view import WaitView
from remora.core.errors import Code, ConfigProblem, NeedsPerson
from remora.core.secrets import Secret
from remora.wire.manifest.document import LoginKind

if TYPE_CHECKING:
    from datetime import date

    from remora.wire.reports.login import LoginReport

_MOST: Final = 64 * 1024
_WORDS: Final = {LoginKind.API_KEY: "API key", LoginKind.ACCESS_TOKEN: "access token"}
_STATES: Final = {
    "ok": "signed in, and a real request succeeded",
    "unused": "signed in, but the model provider in config.toml does not use the login of codex",
    "unproven": "a login is stored, but no request has tested it",
    "refused": "a real request with this login was refused",
    "missing": "not signed in",
}


@dataclass(frozen=True, slots=True)
class How:
    """`word` is a kind of login, ``device`` or ``status``.

    The secret is in `variable`, or it was piped in (`piped`), or it is asked for.
    """

    word: str
    variable: str | None = None
    piped: Secret | None = None

    def with_piped(self, options: Options) -> "How":
        """With the secret from standard input, where that is no terminal and the secret is to come from there."""
        if self.word not in {kind.value for kind in _WORDS} or self.variable is not None or sys.stdin.isatty():
            return self
        with limit_blocking(options):
            value = sys.stdin.buffer.read(_MOST)
        return replace(self, piped=_secret(value.decode("utf-8", "replace"), _WORDS[LoginKind(self.word)]))


async def login_and_show(alias: str, how: How, options: Options, *, expires: "date | None") -> int:
    """Do it, show what came of it, and return the exit code."""
    floor, page = Floor(), activity_page()
    with questioner(options, page, floor, settle=page.clear) as someone:
        kind = None if how.word in ("device", "status") else LoginKind(how.word)
        secret = None if kind is None else await _read_secret(kind, how, options, someone)
        what = "asking with the login of" if how.word == "status" else "signing in codex on"
        view = WaitView(page, f"{what} {alias}")

        def say(line: str) -> None:
            view.settle()
            tell(line)

        dialogue, settings = dialogue_of(someone), options.settings
        asking = (
            api.login_status(alias, dialogue=dialogue, ssh_config=options.ssh_config, settings=settings)
            if how.word == "status"
            else api.login(
                alias,
                kind=kind,
                secret=secret,
                expires=expires,
                tell=say,
                dialogue=dialogue,
                ssh_config=options.ssh_config,
                settings=settings,
            )
        )
        with drawing(view, floor):
            report = await asking
    if options.json:
        write_document(report)
    else:
        _show(report)
    return report.exit_code


async def _read_secret(kind: LoginKind, how: How, options: Options, someone: Questioner | None) -> Secret:
    if how.variable is not None:
        return await api.read_secret(how.variable, settings=options.settings)
    if how.piped is not None:
        return how.piped
    words = _WORDS[kind]
    if someone is None:
        raise NeedsPerson(
            Code.PROMPT_UNATTENDED,
            f"The {words} must be typed, but this command cannot ask (no terminal, or --no-input).",
            next_step=f"Pipe it to standard input, or name its environment variable: --{kind.value}-from",
        )
    async with someone.floor.ask():
        return _secret(await someone.line(Text(f"{words} (not shown): ", style="bold"), echo=False) or "", words)


def _secret(value: str, words: str) -> Secret:
    if not value.strip():
        raise ConfigProblem(
            Code.SECRET_MISSING,
            f"No {words} was given.",
            next_step="Type it at the prompt, or pipe it to standard input.",
        )
    return Secret(value.strip())


def _show(report: "LoginReport") -> None:
    for notice in report.notices:
        tell(f"note: {notice.message}")
    if report.error is not None:
        show_failure(activity_page(), report.error)
        return
    kept = "" if report.expires is None else f"; the secret expires on {report.expires}"
    tell(f"{report.alias}: codex of {report.account} on {report.hostname}: {_STATES[report.state]}{kept}")
