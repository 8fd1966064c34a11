"""Which links are one, and what their files are called."""

import re
from dataclasses import replace

import pytest

from remora.core.link.links import HostIdentity, LinkName

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


def test_clones_that_kept_key_and_id_are_told_apart_by_their_name_or_by_running_at_once() -> None:
    named = replace(_HERE, node="one")
    assert not named.is_same_place(replace(named, node="two"))
    assert named.is_same_place(_HERE)
    assert named.runs_beside(replace(named, boot_id="b2"))
    assert not named.runs_beside(named)
    assert not named.runs_beside(replace(named, boot_id=None))


_NAMES = [
    LinkName("devbox"),
    LinkName("DevBox"),
    LinkName("devbox", "/home/me/other"),
    LinkName("devbox", "/home/me/Other"),
    LinkName("../../etc/passwd"),
    LinkName("..", "/x"),
    LinkName("-oProxyCommand=x"),
    LinkName("a\nb"),
    LinkName("~devbox"),
    LinkName("x" * 300),
    LinkName("dev~0123456789ab"),
    LinkName("\udcff", "/home/\udcff"),
    LinkName(""),
]


@pytest.mark.parametrize("name", _NAMES, ids=range(len(_NAMES)))
def test_whatever_a_link_is_called_its_file_is_plain_and_short(name: LinkName) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,25}", name.file_stem)


def test_no_two_links_share_a_file_not_even_where_capitals_count_for_nothing() -> None:
    assert len({name.file_stem.lower() for name in _NAMES}) == len(_NAMES)
