"""The ready marker: as a host answers it, and in words."""

import pytest

from remora.core.server.answers import Answers
from remora.core.server.markers import (
    NEVER,
    Marker,
    Readiness,
    describe_marker,
    marker_text,
    provision_failed,
    read_marker,
)

_SINCE = 1_000_000_000.0


def marker(readiness: Readiness, **fields: object) -> Marker:
    said = {"since": _SINCE, "digest": "sha256:" + "ab" * 32, "operator": "alice@laptop", **fields}
    return Marker(readiness=readiness, **said)  # type: ignore[arg-type]


def test_every_state_has_words_of_its_own() -> None:
    words = [describe_marker(marker(readiness, step=2, steps=5, step_title="config")) for readiness in Readiness]
    assert len(set(words)) == len(words)
    assert words == [
        "not provisioned by remora",
        "being provisioned at step 2 of 5 (config) since 2001-09-09 01:46 UTC, by alice@laptop",
        "provisioning was interrupted at step 2 of 5 (config) on 2001-09-09 01:46 UTC, by alice@laptop",
        "provisioning failed at step 2 of 5 (config) on 2001-09-09 01:46 UTC, by alice@laptop",
        "provisioned since 2001-09-09 01:46 UTC, manifest abababababab, by alice@laptop",
    ]


@pytest.mark.parametrize("since", [None, 1e300, -1e300])
def test_a_host_s_clock_may_say_anything(since: float | None) -> None:
    assert describe_marker(marker(Readiness.READY, since=since, digest="", operator="")) == "provisioned"


def test_only_failed_is_a_failure() -> None:
    assert provision_failed(NEVER) is None
    assert provision_failed(marker(Readiness.INTERRUPTED)) is None
    error = provision_failed(marker(Readiness.FAILED, step=3, detail="no room"))
    assert error is not None
    assert (error.message, error.seen) == ("The last provisioning of this host failed at step 3.", "no room")


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


def test_a_readiness_of_a_later_version_counts_as_never() -> None:
    assert Readiness("elsewhere") is Readiness.NEVER
