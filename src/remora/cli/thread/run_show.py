"""Starting a run for the people or programs that watch it."""

import os
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

from remora import api
from remora.cli.approval.decide import TerminalApprovals
from remora.cli.approval.trust_question import TerminalTrust
from remora.cli.draw.page import Page
from remora.cli.frame.audience import activity_page, dialogue_of, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.process.early_end import EarlyEnd
from remora.cli.thread.json_lines import JsonLines
from remora.cli.thread.run_follow import follow
from remora.cli.thread.run_view import MarkdownAnswer, PlainAnswer, RunView
from remora.core.approval.rules import OnApproval, rules_for
from remora.ports import ApprovalHandler

if TYPE_CHECKING:
    from remora.api.runs import RunRequest


async def run_and_show(
    alias: str,
    request: "RunRequest",
    options: Options,
    ending: EarlyEnd,
    *,
    on_approval: OnApproval,
    codex: str | None = None,
    unattended: ApprovalHandler | None = None,
    trust_folder: str | None = None,
    lasting: bool = True,
) -> int:
    """Run `request`, show what comes, and return the exit code.

    `ending` hears what makes the command end early. `unattended` decides where nobody can be asked. A host that
    is not `lasting` is gone afterwards, and nothing can be continued on it.
    """
    page, floor, settings = activity_page(), Floor(), options.settings
    is_news = partial(api.is_first_warning, alias)
    asks = on_approval is OnApproval.ASK
    quiet = options.verbosity < 0
    view = JsonLines(page) if options.json else RunView(page, _answer(page), quiet=quiet, is_news=is_news)
    view.wait_for(f"connecting to {alias}")
    with questioner(options, page, floor, settle=view.settle) as someone:
        interrupt = api.interrupt_switch()
        events = api.run(
            alias,
            request,
            codex=codex,
            dialogue=dialogue_of(someone),
            approvals=TerminalApprovals(someone) if asks and someone is not None else unattended,
            approval_rules=rules_for(on_approval),
            trust=TerminalTrust(someone) if someone is not None else None,
            trust_folder=trust_folder,
            interrupt=interrupt,
            ssh_config=options.ssh_config,
            settings=settings,
        )
        words = [("--ssh-config", options.ssh_config), ("--trust-folder", trust_folder)]
        again = "".join(f" {name} {shlex.quote(value)}" for name, value in words if value)
        return await follow(
            events,
            view,
            floor,
            interrupt,
            ending,
            alias=alias,
            patience=settings.limits.stop,
            options_again=again if lasting else None,
        )


def _answer(page: Page) -> PlainAnswer | MarkdownAnswer | None:
    """Where the agent's messages go: among everything else when both streams are the same terminal."""
    if not sys.stdout.isatty():
        return PlainAnswer(sys.stdout)
    return None if page.terminal else MarkdownAnswer(Page(sys.stdout, os.environ))
