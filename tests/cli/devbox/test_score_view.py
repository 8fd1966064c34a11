"""What a person sees of a scorecard."""

import io

import pytest
from tests.support.screen.golden import assert_golden

from remora.cli.devbox.score_view import ScoreView
from remora.cli.draw.page import Page
from remora.core.score import judges, permissions
from remora.core.score.permissions import INSIDE, OUTSIDE, Trial
from remora.core.score.project_commands import Chore, ProjectFiles, find_commands
from remora.core.score.scorecard import Item, percent, unknown
from remora.wire.reports import NoticeBody
from remora.wire.reports.score import ScoreReport, group_bodies, rounded, unknown_names

FOLDER = "/home/joe/price"
ENVIRONMENT = {"TERM": "dumb", "LANG": "C.UTF-8"}


def items() -> list[Item]:
    commands = find_commands(ProjectFiles(paths={"go.mod"}))
    said = "--- FAIL: TestPrice\n\x1b[31mwant 90, got 100\u202e\n"
    runs = {Chore.INSTALL: (0, "", 2.5), Chore.BUILD: (None, "compiling", 900.0), Chore.TEST: (1, said, 12.25)}
    chores = [
        judges.judge_run(
            judges.chore_item(chore, commands[chore]), status=status, said=said, seconds=seconds, limit=900
        )
        for chore, (status, said, seconds) in runs.items()
    ]
    places = {INSIDE: "/home/joe/.local/state/remora/m", OUTSIDE: "/var/tmp"}
    trial = Trial(policy="readOnly", wrote=None, said="bwrap: No permissions to create a new namespace")
    documents = {"AGENTS.md": "Use `go test`.", "README.md": "Get it with `go mod download`."}
    return [
        judges.judge_run(judges.checkout_item(FOLDER), status=0, said="c0ffee Fix", seconds=0.1, limit=900),
        *chores,
        judges.judge_guides(documents, FOLDER),
        judges.judge_named(documents, commands, FOLDER),
        judges.judge_loaded(judges.loaded_item(FOLDER), None, FOLDER, "0.120.0"),
        permissions.judge_secrets("account", ["closed 600 /home/joe/.codex/auth.json"], FOLDER),
        permissions.judge_secrets("repository", ["open 644 /home/joe/price/.env"], FOLDER),
        permissions.judge_sandbox(trial, trial, trial, places),
        permissions.judge_approvals(permissions.approvals_item(FOLDER), {"approval_policy": "never"}, {}),
        judges.judge_tests(chores[-1]),
        judges.judge_changes(" M a\n?? b\n", " 1 file changed, 4 insertions(+)", " a | 4 ++++", FOLDER),
        judges.judge_base(None, "", "", FOLDER, remote=False),
        judges.judge_review(known=True, said="missing field"),
    ]


def report(measured: list[Item]) -> ScoreReport:
    missing = unknown_names(measured)
    return ScoreReport(
        ok=True,
        exit_code=0,
        alias="devbox",
        hostname="devbox.example.org",
        account="joe",
        folder=FOLDER,
        commit="c0ffee00c0ffee00",
        codex="0.120.0",
        score=rounded(percent(measured)),
        minimum=None,
        known=len(measured) - len(missing),
        count=len(measured),
        seconds=917.2,
        groups=group_bodies(measured),
        unknown=missing,
        notices=[NoticeBody(code="option", message="ForwardX11 is not honoured.")],
    )


def shown(document: ScoreReport, *, width: int, verbosity: int = 0) -> str:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    ScoreView(Page(out, ENVIRONMENT, width=width), verbosity=verbosity).show(document)
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_groups_have_bars_and_items_their_commands(width: int) -> None:
    text = shown(report(items()), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert not set(text) & set("\x1b\u202e")
    assert_golden(f"score_{width}.txt", text)


def test_details_show_what_was_seen_of_good_items_too() -> None:
    assert_golden("score_details_80.txt", shown(report(items()), width=80, verbosity=1))


def test_quietly_there_are_groups_and_the_score() -> None:
    text = shown(report(items()), width=80, verbosity=-1)
    assert "$ " not in text
    assert "score " in text


def test_nothing_known_is_no_score() -> None:
    nothing = [unknown(item, "not run, as requested", "") for item in items()]
    text = shown(report(nothing), width=80)
    assert "score unknown  0 of 15 items known" in text
