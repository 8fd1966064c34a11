"""What measurements mean, and what they sum up to."""

import pytest

from remora.core.score import judges, permissions
from remora.core.score.permissions import INSIDE, OUTSIDE, Trial
from remora.core.score.scorecard import Group, Item, Result, percent

PLACES = {INSIDE: "/home/joe/.local/state/remora/m", OUTSIDE: "/var/tmp"}
BOTH = frozenset({INSIDE, OUTSIDE})
NONE: frozenset[str] = frozenset()


def item(result: Result) -> Item:
    return Item(name="x", group=Group.REVIEW, title="x", result=result, command="true")


@pytest.mark.parametrize(
    ("results", "score"),
    [
        ([], None),
        ([Result.UNKNOWN], None),
        ([Result.PASS, Result.UNKNOWN], 100),
        ([Result.PASS, Result.FAIL, Result.UNKNOWN], 50),
        ([Result.PARTIAL, Result.PARTIAL], 50),
        ([Result.FAIL], 0),
    ],
)
def test_unknown_is_not_zero(results: list[Result], score: float | None) -> None:
    assert percent([item(result) for result in results]) == score


@pytest.mark.parametrize(
    ("read_only", "workspace", "configured", "result"),
    [
        (NONE, frozenset({INSIDE}), NONE, Result.PASS),
        (NONE, frozenset({INSIDE}), frozenset({INSIDE}), Result.PASS),
        (NONE, frozenset({INSIDE}), None, Result.PASS),
        (NONE, NONE, NONE, Result.PARTIAL),
        (NONE, BOTH, NONE, Result.PARTIAL),
        (NONE, BOTH, BOTH, Result.PARTIAL),
        (NONE, frozenset({INSIDE}), BOTH, Result.FAIL),
        (frozenset({INSIDE}), frozenset({INSIDE}), NONE, Result.FAIL),
        (None, None, None, Result.FAIL),
        (NONE, None, NONE, Result.FAIL),
    ],
)
def test_a_sandbox_is_judged_by_what_could_be_written(
    read_only: frozenset[str] | None,
    workspace: frozenset[str] | None,
    configured: frozenset[str] | None,
    result: Result,
) -> None:
    judged = permissions.judge_sandbox(
        Trial(policy="r", wrote=read_only),
        Trial(policy="w", wrote=workspace),
        Trial(policy="c", wrote=configured),
        PLACES,
    )
    assert judged.result is result
    assert bool(judged.next_step) is (result is not Result.PASS)


@pytest.mark.parametrize(
    ("config", "requirements", "result"),
    [
        ({}, {}, Result.PASS),
        ({"approval_policy": "on-request", "sandbox_mode": "workspace-write"}, {}, Result.PASS),
        ({"approval_policy": "never", "sandbox_mode": "read-only"}, {}, Result.PARTIAL),
        ({"approval_policy": "on-request", "sandbox_mode": "danger-full-access"}, {}, Result.FAIL),
        ({"default_permissions": ":danger-full-access"}, {}, Result.FAIL),
        ({"approval_policy": {"granular": {}}}, {"allowedSandboxModes": ["read-only"]}, Result.PASS),
    ],
)
def test_a_configuration_may_leave_nothing_to_ask(
    config: dict[str, object], requirements: dict[str, object], result: Result
) -> None:
    assert permissions.judge_approvals(permissions.approvals_item("/h"), config, requirements).result is result


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ([], Result.PASS),
        (["closed 600 /h/.env"], Result.PASS),
        (["closed 600 /h/a", "shut-off 644 /h/my file"], Result.PARTIAL),
        (["shut-off 644 /h/a", "open 644 /h/.env"], Result.FAIL),
        (["garbage"], Result.PASS),
    ],
)
def test_a_secret_is_as_closed_as_the_way_to_it(said: list[str], result: Result) -> None:
    assert permissions.judge_secrets("repository", said, "/h").result is result


@pytest.mark.parametrize(
    ("documents", "result"),
    [
        ({"AGENTS.md": "x"}, Result.PASS),
        ({"AGENTS.md": "  \n", "README.md": "x"}, Result.PARTIAL),
        ({"CLAUDE.md": "x"}, Result.PARTIAL),
        ({"AGENTS.md": ""}, Result.FAIL),
        ({}, Result.FAIL),
    ],
)
def test_codex_reads_agents_md_and_people_read_the_rest(documents: dict[str, str], result: Result) -> None:
    assert judges.judge_guides(documents, "/h").result is result


@pytest.mark.parametrize(
    ("sources", "result"),
    [
        (None, Result.UNKNOWN),
        ([], Result.FAIL),
        (["/home/joe/.codex/AGENTS.md"], Result.PARTIAL),
        (["/home/joe/.codex/AGENTS.md", "/home/joe/proj/AGENTS.md"], Result.PASS),
        (["/home/joe/proj-2/AGENTS.md"], Result.PARTIAL),
    ],
)
def test_what_counts_is_what_the_server_loaded_from_the_repository(sources: list[str] | None, result: Result) -> None:
    assert judges.judge_loaded(judges.loaded_item("/h"), sources, "/home/joe/proj", "0.1").result is result


@pytest.mark.parametrize(
    ("status", "size", "result"),
    [
        ("", "", Result.PASS),
        (" M a\n", " 1 file changed, 400 insertions(+)", Result.PASS),
        (" M a\n", " 1 file changed, 300 insertions(+), 101 deletions(-)", Result.PARTIAL),
        ("?? x\n" * 51, "", Result.PARTIAL),
    ],
)
def test_work_that_nobody_can_review_is_half_a_point(status: str, size: str, result: Result) -> None:
    assert judges.judge_changes(status, size, "", "/h").result is result
