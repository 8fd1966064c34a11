"""Which links are one, and what their files are called."""

from dataclasses import replace

from remora.core.links import HostIdentity

_HERE = HostIdentity(
    host_key_fingerprint="SHA256:one", machine_id="abc", boot_id="b1", account="me", codex_home="/home/me/.codex"
)


def test_a_machine_that_booted_again_is_the_same_place() -> None:
    assert _HERE.is_same_place(replace(_HERE, boot_id="b2"))


def test_another_account_or_codex_home_is_another_place() -> None:
    assert not _HERE.is_same_place(replace(_HERE, account="you"))
    assert not _HERE.is_same_place(replace(_HERE, codex_home="/srv/codex"))


def test_a_machine_that_only_says_to_be_another_one_is_not_given_its_link() -> None:
    impostor = replace(_HERE, host_key_fingerprint="SHA256:two")

    assert not _HERE.is_same_place(impostor)
    assert not impostor.is_same_place(_HERE)


def test_machines_of_which_no_key_is_known_are_never_taken_for_one() -> None:
    unknown = replace(_HERE, host_key_fingerprint="")

    assert not unknown.is_same_place(_HERE)
    assert not _HERE.is_same_place(unknown)
    assert not unknown.is_same_place(unknown)


def test_cloned_machines_with_one_key_are_told_apart_by_their_id() -> None:
    assert not _HERE.is_same_place(replace(_HERE, machine_id="def"))
    assert _HERE.is_same_place(replace(_HERE, machine_id=None))
