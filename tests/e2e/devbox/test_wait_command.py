"""F46: a devbox answers long before it is ready; check, status and wait tell those apart."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.until import LIMIT, until
from tests.support.codex.fake_codex import install as install_codex
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.link.link_scene import sshd
from tests.support.provision.gits import new_repository
from tests.support.provision.provision_bench import marker_at, provision
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.server.markers import Readiness
from remora.core.settings import Limits
from remora.flows.provision.steps.file import FileStep
from remora.flows.provision.steps.project import SmokeStep
from remora.flows.provision.steps.repository import RepositoryStep
from remora.wire.manifest.document import ProjectTable
from remora.wire.reports.provision import HostProvision

__all__ = ["sshd"]

pytestmark = [pytest.mark.sshd, pytest.mark.longest]

_SLOW = 'until test -e "$HOME/go"; do sleep 0.05; done\ntest -e "$HOME/good"'
_A_LOOK = 15.0
"""Seconds in which a host is looked at, also from a busy machine; who waits for what does not come waits them all."""


@pytest.fixture
def hub(sshd: AccountSshd, tmp_path: Path) -> Iterator[HubPlace]:
    config = tmp_path / "config"
    config.write_text(sshd.ssh_config())
    with hub_place(REMORA_SSH_CONFIG=str(config)) as place:
        yield place


class Devbox:
    """A host whose provisioning takes a while at step 3, and how others see it."""

    def __init__(self, sshd: AccountSshd, hub: HubPlace, origin: Path) -> None:
        self.sshd = sshd
        self._hub = hub
        self._table = ProjectTable(repository=str(origin), folder="app", ref="main", smoke=_SLOW)

    async def provisioned(self) -> HostProvision:
        steps = (FileStep("AGENTS.md", b"be kind\n", "0644"), RepositoryStep(self._table), SmokeStep(self._table))
        return await provision(self.sshd, steps, limits=Limits(provision_retries=1))

    async def at_step_3(self) -> None:
        """Wait until it is at it."""
        logs = ".local/state/remora/*/smoke_app.log"
        await until(lambda: list(self.sshd.home.glob(logs)), what="step 3 to run")

    async def document(self, *words: str) -> dict[str, Any]:
        """What a command of a user's says."""
        return await asyncio.to_thread(self._hub.document, *words)

    async def waited(self, seconds: float, wishes: str = "provisioned") -> tuple[int, dict[str, Any]]:
        """The exit code of waiting, and the one host of its report."""
        report = await self.document("wait", "devbox", "--for", wishes, "--timeout", str(seconds))
        return report["exit_code"], report["hosts"][0]

    async def seen(self) -> tuple[str, str, str]:
        """Its outcome at check, the error there, and what status says of it over the link that stands."""
        await self.document("connect", "devbox")
        check = await self.document("check", "devbox")
        (stage,) = (stage for stage in check["hosts"][0]["stages"] if stage["stage"] == "provision")
        (link,) = (await self.document("status"))["links"]
        error = stage["error"]["code"] if stage["error"] else ""
        return stage["outcome"], error, link["provisioned"]["readiness"]


@pytest.fixture
def devbox(sshd: AccountSshd, hub: HubPlace, tmp_path: Path) -> Devbox:
    return Devbox(sshd, hub, new_repository(tmp_path / "origin"))


async def test_f46_before_during_after_failure_and_after_success_are_four_things(devbox: Devbox) -> None:
    home = devbox.sshd.home
    assert await devbox.seen() == ("skipped", "", "never")
    code, host = await devbox.waited(_A_LOOK)
    assert (code, host["error"]["code"]) == (14, "not-ready")
    assert "not provisioned by remora" in host["error"]["message"]

    running = asyncio.ensure_future(devbox.provisioned())
    await devbox.at_step_3()
    assert await devbox.seen() == ("warning", "", "provisioning")
    code, host = await devbox.waited(_A_LOOK)
    assert (code, host["error"]["code"]) == (14, "not-ready")
    assert "being provisioned at step 3 of 3" in host["error"]["message"]

    waiting = asyncio.ensure_future(devbox.waited(LIMIT))
    (home / "go").touch()
    code, host = await waiting
    assert (code, host["error"]["code"]) == (1, "provision-failed")
    assert host["marker"]["step"] == 3
    assert host["seconds"] < 45
    assert not (await running).ok
    assert await devbox.seen() == ("failed", "provision-failed", "failed")

    (home / "good").touch()
    assert (await devbox.provisioned()).outcome == "changed"
    assert await devbox.seen() == ("ok", "", "ready")
    code, host = await devbox.waited(LIMIT, "provisioned,live,idle")
    assert (code, host["ok"], host["liveness"], host["active_threads"]) == (0, True, "live", 0)


async def test_ready_means_what_check_says(devbox: Devbox, sshd: AccountSshd) -> None:
    assert (await devbox.document("check", "devbox"))["ok"] is False
    code, host = await devbox.waited(_A_LOOK, "ready")
    assert (code, host["error"]["code"]) == (14, "not-ready")
    assert "codex" in host["error"]["message"]

    waiting = asyncio.ensure_future(devbox.waited(LIMIT, "ready"))
    install_codex(sshd.home / ".local/bin/codex")
    (sshd.home / ".codex").mkdir()
    (sshd.home / ".codex/auth.json").write_text('{"OPENAI_API_KEY": "none"}')
    assert (await waiting)[0] == 0
    assert (await devbox.document("check", "devbox"))["ok"] is True
    code, host = await devbox.waited(_A_LOOK)
    assert (code, host["marker"]["readiness"]) == (14, "never"), "ready does not say that it is provisioned"


async def test_f46_provisioning_that_nobody_goes_on_with_is_told(devbox: Devbox) -> None:
    running = asyncio.ensure_future(devbox.provisioned())
    await devbox.at_step_3()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert (await marker_at(devbox.sshd)).readiness is Readiness.INTERRUPTED
    assert await devbox.seen() == ("warning", "", "interrupted")
    code, host = await devbox.waited(_A_LOOK)
    assert code == 14
    assert "was interrupted at step 3 of 3" in host["error"]["message"]
    assert "remora provision" in host["error"]["next"]


async def test_status_tells_what_became_of_provisioning_since_the_link_was_made(devbox: Devbox, hub: HubPlace) -> None:
    assert await devbox.seen() == ("skipped", "", "never")
    watching = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "remora",
        "status",
        "--watch",
        "--json",
        env={**os.environ, **hub.environment},
        stdout=subprocess.PIPE,
    )
    assert watching.stdout is not None
    try:
        devbox.sshd.drop_connections()  # the way back is a short one, on which the host is not asked all that
        (devbox.sshd.home / "go").touch()
        (devbox.sshd.home / "good").touch()
        assert (await devbox.provisioned()).ok
        await devbox.document("connect", "devbox")
        (link,) = (await devbox.document("status"))["links"]
        assert (link["provisioned"]["readiness"], link["breaks"]) == ("ready", 1)
        async with asyncio.timeout(LIMIT):
            told = ""
            while told != "ready":
                links = json.loads(await watching.stdout.readline())["links"]
                told = links[0]["provisioned"]["readiness"] if links and links[0]["provisioned"] else ""
    finally:
        watching.terminate()
        await watching.wait()


def test_without_a_link_there_is_nothing_live_or_idle(hub: HubPlace) -> None:
    report = hub.document("wait", "devbox", "--for", "live,idle", "--timeout", "1")
    assert report["exit_code"] == 14
    (host,) = report["hosts"]
    assert "no link" in host["error"]["message"]
    assert host["error"]["next"] == "Make a link with: remora connect devbox"


def test_a_word_that_means_nothing_is_refused(hub: HubPlace) -> None:
    done = hub.run("wait", "devbox", "--for", "steady")
    assert done.returncode == 2
    assert b"Invalid value 'steady' for --for; use provisioned, ready, live, idle." in done.stderr
