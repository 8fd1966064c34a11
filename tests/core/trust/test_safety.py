"""What is looser than what was asked, in every way in which it can be."""

import pytest

from remora.core.trust.safety import Safety, SafetyConfig, Sandbox, looser

ALLOWED = Safety(
    sandbox=Sandbox(mode="workspace-write", roots=frozenset({"/extra"})), approval_policy="on-request", reviewer="user"
)


def found(policy: str = "on-request", reviewer: str = "user", **sandbox: object) -> Safety:
    said = {"mode": "workspace-write", "roots": frozenset({"/extra"}), **sandbox}
    return Safety(sandbox=Sandbox(**said), approval_policy=policy, reviewer=reviewer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("in_force", "word"),
    [
        (found(mode="danger-full-access"), "danger-full-access"),
        (found(mode="external"), "external"),
        (found(mode="something-new"), "something-new"),
        (found(network=True), "network"),
        (found(roots=frozenset({"/extra", "/etc"})), "/etc"),
        (found("never"), "never"),
        (found("something-new"), "something-new"),
        (found(reviewer="auto_review"), "auto_review"),
    ],
)
def test_each_way_of_being_looser_is_named(in_force: Safety, word: str) -> None:
    (way,) = looser(in_force, ALLOWED)
    assert word in way


@pytest.mark.parametrize(
    "in_force",
    [
        found(),
        found(mode="read-only", roots=frozenset()),
        found(roots=frozenset()),
        found("untrusted"),
        found("granular"),
    ],
)
def test_the_same_and_the_stricter_are_not_looser(in_force: Safety) -> None:
    assert looser(in_force, ALLOWED) == ()


def test_a_permission_profile_is_held_by_its_name() -> None:
    allowed = Safety(sandbox=Sandbox(mode="tight", profile="tight"), approval_policy="on-request")
    assert looser(found(profile="tight"), allowed) == ()
    assert looser(found(profile="loose"), allowed)
    assert looser(found(), allowed)
    assert looser(found(mode="read-only", roots=frozenset()), allowed) == ()


@pytest.mark.parametrize(
    ("asked", "config", "trusted", "mode"),
    [
        (None, SafetyConfig(), False, "read-only"),
        (None, SafetyConfig(), True, "workspace-write"),
        (None, SafetyConfig(sandbox="danger-full-access"), False, "danger-full-access"),
        ("read-only", SafetyConfig(sandbox="danger-full-access"), True, "read-only"),
        (None, SafetyConfig(profile="tight", sandbox="read-only"), False, "tight"),
        ("workspace-write", SafetyConfig(profile="tight"), False, "workspace-write"),
    ],
)
def test_the_sandbox_is_what_was_asked_else_the_account_s_own(
    asked: str | None, config: SafetyConfig, trusted: bool, mode: str
) -> None:
    assert config.sandbox_of(asked, trusted=trusted).mode == mode
