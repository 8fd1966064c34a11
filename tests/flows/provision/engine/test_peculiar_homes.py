"""Homes that are links, have odd names, or are no place for codex: served all the same, or named with what to do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST, codex_binary
from tests.support.codex.launch_words import connected, launched
from tests.support.link.links import SshdResolver, world_of
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import Code, RemoraError
from remora.core.server.launch_plan import LaunchMode, LaunchRequest
from remora.flows.link.server_stop import end_server

pytestmark = [pytest.mark.sshd, pytest.mark.codex]
VERSIONS = ["0.133.0", NEWEST]


def bring_codex(sshd: AccountSshd, version: str, *, copied: bool = False) -> None:
    """A real codex where it is looked for; `copied` for an account that may not see ours."""
    place = sshd.home / ".local/bin/codex"
    place.parent.mkdir(parents=True)
    if copied:
        shutil.copy(codex_binary(version), place)
    else:
        place.symlink_to(codex_binary(version))


def become_link(sshd: AccountSshd) -> None:
    real = sshd.home.with_name("real disk")
    sshd.home.rename(real)
    sshd.home.symlink_to(real)


def have_codex_home_elsewhere(sshd: AccountSshd) -> None:
    (sshd.home / "it's $HOME").mkdir()
    (sshd.home / ".profile").write_text('export CODEX_HOME="$HOME/it\'s \\$HOME"\n')


def have_codex_home_behind_link(sshd: AccountSshd) -> None:
    (sshd.home / "big disk").mkdir()
    (sshd.home / ".codex").symlink_to("big disk")


GOOD: dict[str, tuple[str, Callable[[AccountSshd], None]]] = {
    "spaces": ("my own home", lambda sshd: None),
    "a link": ("h", become_link),
    "CODEX_HOME in a start-up file": ("h", have_codex_home_elsewhere),
    "codex's home behind a link": ("h", have_codex_home_behind_link),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", GOOD)
def test_in_an_odd_home_the_server_is_started_found_again_and_ended(kind: str, version: str) -> None:
    name, prepare = GOOD[kind]

    async def work(sshd: AccountSshd) -> None:
        for mode in (LaunchMode.DETACHED, LaunchMode.ADOPTED):
            async with connected(sshd) as host, launched(host) as server:
                assert server.mode is mode
                assert "started by remora" in server.owner
        async with connected(sshd) as host:
            assert await end_server(host, LaunchRequest(), world_of(SshdResolver(sshd))) == "stopped"

    with AccountSshd("/bin/bash", home=name) as sshd:
        prepare(sshd)
        bring_codex(sshd, version)
        run(work(sshd))


def lock_codex_home(sshd: AccountSshd) -> None:
    (sshd.home / ".codex").mkdir(mode=0o555)


def forget_codex_home(sshd: AccountSshd) -> None:
    (sshd.home / ".profile").write_text('export CODEX_HOME="$HOME/not there"\n')


BAD: dict[str, tuple[Callable[[AccountSshd], None], str, str]] = {
    "read-only": (lock_codex_home, ".codex", "Permission denied"),
    "missing": (forget_codex_home, "not there", "it does not exist"),
    "a file": (lambda sshd: Path(sshd.home, ".codex").touch(), ".codex", "it is not a folder"),
}


@pytest.mark.skipif(os.getuid() != 0, reason="an account that exists here only")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BAD)
def test_f37_a_codex_home_that_cannot_be_written_is_named_with_what_to_do(kind: str, version: str) -> None:
    prepare, place, reason = BAD[kind]

    async def work(sshd: AccountSshd) -> RemoraError:
        async with connected(sshd) as host:
            with pytest.raises(RemoraError) as caught:
                async with launched(host):
                    pass
        return caught.value

    with AccountSshd("/bin/bash", ordinary=True) as sshd:
        prepare(sshd)
        bring_codex(sshd, version, copied=True)
        error = run(work(sshd))
        assert error.code is Code.LAUNCH_EXITED
        assert f"{sshd.home / place} cannot be written ({reason})" in error.message
        assert "CODEX_HOME" in error.next_step
