"""The ready marker as a host answers it, and reasons of scripts as errors."""

import pytest

from remora.core.answers import Answers
from remora.core.errors import Code
from remora.core.provisioning import NEVER, Marker, Readiness, marker_text, operator_word, read_box, read_marker
from remora.core.script_failures import script_problem


def said(marker: Marker, *more: tuple[str, str]) -> Answers:
    """What a host answers that keeps this marker."""
    lines = (line.partition("=") for line in marker_text(marker).splitlines())
    return Answers((*((f"marker.{key}", value) for key, _, value in lines), *more))


def test_a_marker_comes_back_as_it_was_written() -> None:
    marker = Marker(
        readiness=Readiness.FAILED,
        digest="sha256:12",
        since=1700000000.0,
        step=3,
        steps=7,
        step_title="config = merged",
        detail="it broke: a=b",
        operator="alice@laptop",
    )
    assert read_marker(said(marker, ("marker.since", "1700000000"))) == marker


def test_a_marker_that_says_provisioning_counts_only_while_somebody_is_at_work() -> None:
    marker = Marker(readiness=Readiness.PROVISIONING, step=1, steps=2)
    assert read_marker(said(marker, ("marker.alive", "1"))).readiness is Readiness.PROVISIONING
    assert read_marker(said(marker)).readiness is Readiness.INTERRUPTED


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (("marker.readiness", "soon"),),
        (("marker.readiness", "readyness"), ("marker.step", "x")),
        (("marker.step", "1"),),
    ],
)
def test_what_is_no_marker_counts_as_none(pairs: tuple[tuple[str, str], ...]) -> None:
    assert read_marker(Answers(pairs)) == NEVER


def test_a_marker_that_somebody_tampered_with_shows_nothing_harmful() -> None:
    pairs = (("marker.readiness", "failed"), ("marker.detail", "\x1b[2J\nready"), ("marker.step", "9" * 30))
    marker = read_marker(Answers(pairs))
    assert marker.detail == "\\x1b[2J ready"
    assert marker.step is None


def test_titles_of_several_lines_make_no_lines_of_their_own() -> None:
    text = marker_text(Marker(readiness=Readiness.FAILED, detail="one\nreadiness=ready"))
    assert text.splitlines() == ["readiness=failed", "detail=one readiness=ready"]


def test_an_operator_is_one_word_whatever_the_name() -> None:
    assert operator_word("Zoë O'Neil $(x)@lap top") == "Zo_O_Neil_x_@lap_top"


def test_what_a_host_does_not_tell_is_absent() -> None:
    facts = read_box(Answers((("os", "Linux"), ("tools", " git tar"), ("runtime", ""))))
    assert (facts.os, facts.runtime_folder, facts.machine_id) == ("Linux", None, None)
    assert facts.tools == {"git", "tar"}


def test_answers_without_a_failure_are_none() -> None:
    assert script_problem(Answers((("go", "1"),)), what="codex", seen="") is None


def test_a_reason_that_is_no_code_of_provisioning_is_still_an_error_with_its_word() -> None:
    problem = script_problem(Answers((("failed", "gremlins"),)), what="codex", seen="tail")
    assert problem is not None
    assert problem.code is Code.PROVISION_FAILED
    assert problem.seen == "gremlins\ntail"
    stranger = script_problem(Answers((("failed", "host-key-changed"),)), what="codex", seen="")
    assert stranger is not None
    assert stranger.code is Code.PROVISION_FAILED, "a script cannot pass for what it knows nothing of"
