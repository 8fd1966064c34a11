"""The service that brings the app server back after a reboot, against stand-ins for systemctl and loginctl.

They keep what they were told in files of the home; a real service manager is no part of these tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import need_mounts
from tests.support.provision.provision_bench import bench_at, bring, read
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.flows.provision.steps.limits import LimitsStep
from remora.flows.provision.steps.server import ServerStep
from remora.flows.server.shell import shipped
from remora.wire.manifest.document import ServerTable

pytestmark = pytest.mark.sshd

SYSTEMCTL = """#!/bin/sh
echo "$@" >>~/systemctl.log
case $2 in
  is-enabled) cat ~/enabled 2>/dev/null || { echo disabled; exit 1; } ;;
  enable) echo enabled >~/enabled ;;
  show) echo /manager ;;
esac
"""
LOGINCTL = """#!/bin/sh
case $1 in
  show-user) cat ~/linger 2>/dev/null || echo no ;;
  enable-linger) [ ! -e ~/refuses ] || { echo 'Access denied' >&2; exit 1; }; echo yes >~/linger ;;
esac
"""
TABLE = ServerTable(survive_reboot=True, memory="1GiB", cpu=1.5, processes=300)


@contextmanager
def host(folder: Path, *, keeps: str = "", **stand_ins: str) -> Iterator[SystemSshd]:
    """A host whose own programs come first: bash as login shell puts them on its PATH.

    `keeps` are the controllers that the kernel gives into the hands of its users, as with control groups of version 2.
    """
    need_mounts()
    places = folder / "programs"
    places.mkdir()
    hide = "mount --make-rprivate / && mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/manager"
    hide = f"{hide} && echo {keeps} >/sys/fs/cgroup/manager/cgroup.controllers"
    for name, text in {"systemctl": SYSTEMCTL, "loginctl": LOGINCTL, **stand_ins}.items():
        (places / name).write_text(text)
        (places / name).chmod(0o755)
        hide = f"{hide} && mount --bind {places}/{name} /usr/bin/{name}"
    shell = folder / "shell"
    shell.write_text(f'#!/bin/sh\n{hide}; exec /bin/sh "$@"\n')
    shell.chmod(0o755)
    wrapped = f'ForceCommand exec unshare -m {shell} -c "$SSH_ORIGINAL_COMMAND"'
    with SystemSshd(folder, options=(wrapped,)) as sshd:
        codex = sshd.home / ".local/bin/codex"
        codex.parent.mkdir(parents=True)
        codex.write_text("#!/bin/sh\necho codex-cli 0.163.0\n")
        codex.chmod(0o755)
        yield sshd


def brought(sshd: SystemSshd, table: ServerTable) -> tuple[Finding, Finding]:
    """What the server step found at first, and in the end."""

    async def work() -> tuple[Finding, Finding]:
        async with bench_at(sshd) as bench:
            await bring(LimitsStep(table), bench)
            first = await bring(ServerStep(table), bench)
            return first, await read(ServerStep(table), bench)

    return run(work())


def unit_of(sshd: SystemSshd) -> str:
    return (sshd.home / ".config/systemd/user/remora-codex.service").read_text()


def test_the_service_has_the_limits_and_is_set_up_once(tmp_path: Path) -> None:
    with host(tmp_path) as sshd:
        first, last = brought(sshd, TABLE)
        assert (first.state, last.state, last.notices) == (StepState.DIFFERENT, StepState.SAME, ())
        unit = unit_of(sshd)
        assert f'ExecStart="{sshd.home}/.local/bin/codex" app-server --listen unix://' in unit
        assert {"MemoryMax=1073741824", "CPUQuota=150%", "TasksMax=300"} <= set(unit.splitlines())
        assert (sshd.home / "linger").read_text() == "yes\n"
        again, _ = brought(sshd, TABLE)
        assert again.state is StepState.SAME
        assert (sshd.home / "systemctl.log").read_text().count("--user enable") == 1


def test_other_limits_change_the_service(tmp_path: Path) -> None:
    with host(tmp_path) as sshd:
        brought(sshd, TABLE)
        first, last = brought(sshd, ServerTable(survive_reboot=True, memory="2GiB"))
        assert (first.state, last.state) == (StepState.DIFFERENT, StepState.SAME)
        assert "MemoryMax=2147483648" in unit_of(sshd)
        assert "TasksMax" not in unit_of(sshd)


def test_what_the_manager_does_not_keep_the_service_limits_for_each_process(tmp_path: Path) -> None:
    """As a launch does; here no controller is given into the hands of users."""
    with host(tmp_path) as sshd:
        brought(sshd, TABLE)
        assert {"LimitAS=1073741824", "LimitNPROC=300", "OOMPolicy=continue"} <= set(unit_of(sshd).splitlines())


def test_what_the_manager_keeps_the_service_leaves_to_it(tmp_path: Path) -> None:
    with host(tmp_path, keeps="cpu memory pids") as sshd:
        brought(sshd, TABLE)
        lines = unit_of(sshd).splitlines()
        assert {"MemoryMax=1073741824", "CPUQuota=150%", "TasksMax=300"} <= set(lines)
        assert not [line for line in lines if line.startswith("Limit")]
        assert (sshd.home / "linger").exists(), "asked for by the limits, too: without it the manager ends too early"


def test_a_manager_that_ends_with_the_login_is_told_of(tmp_path: Path) -> None:
    with host(tmp_path, keeps="memory") as sshd:
        (sshd.home / "refuses").touch()

        async def work() -> Finding:
            async with bench_at(sshd) as bench:
                await bring(LimitsStep(TABLE), bench)
                return await read(LimitsStep(TABLE), bench)

        (notice,) = run(work()).notices
        assert "ends at logout" in notice
        assert "loginctl enable-linger" in notice


@pytest.mark.parametrize(
    ("keeps", "lingers", "old", "scope", "each"),
    [
        ("cpu memory pids", True, False, "OOMPolicy=continue -p MemoryMax=1073741824 -p MemorySwapMax=0", False),
        ("cpu memory pids", True, True, "--collect -p MemoryMax=1073741824 -p MemorySwapMax=0", False),
        ("cpu", True, False, "-p CPUQuota=150% -p TasksMax=300 -- ", True),
        ("cpu memory pids", False, False, "", True),
        ("", True, False, "", True),
    ],
)
def test_a_launch_takes_a_scope_where_that_keeps_something_and_lasts(
    keeps: str, lingers: bool, old: bool, scope: str, each: bool, tmp_path: Path
) -> None:
    """An old systemd knows no policy for scopes."""
    refusal = 'case "$*" in *OOMPolicy*) exit 1 ;; esac\n' if old else ""
    stand_in = f'#!/bin/sh\n{refusal}echo "$@" >>~/scopes\nuntil [ "$1" = -- ]; do shift; done; shift; exec "$@"\n'
    codex = "#!/bin/sh\nulimit -v >~/each; exit 3\n"
    with host(tmp_path, keeps=keeps, **{"systemd-run": stand_in}) as sshd:
        if not lingers:
            (sshd.home / "refuses").touch()

        async def work() -> None:
            async with bench_at(sshd) as bench:
                await bring(LimitsStep(TABLE), bench)
                program = sshd.home / ".local/bin/codex"
                confined = f'{shipped("confine")}( remora_confine; exec $remora_scope "{program}" )\n'
                await bench.ask(StepScript("manager", {}, confined), limit=20)

        (sshd.home / ".local/bin/codex").write_text(codex)
        run(work())
        used = (sshd.home / "scopes").read_text().splitlines()[-1] if (sshd.home / "scopes").exists() else ""
        assert scope in used
        assert used.endswith("/codex") is bool(scope), used
        assert ((sshd.home / "each").read_text().strip() == "1048576") is each


def test_a_service_that_is_not_wished_any_more_is_taken_away(tmp_path: Path) -> None:
    with host(tmp_path) as sshd:
        brought(sshd, TABLE)
        first, last = brought(sshd, ServerTable(memory="1GiB"))
        assert (first.state, last.state) == (StepState.DIFFERENT, StepState.SAME)
        assert "taken away" in first.detail
        assert not (sshd.home / ".config/systemd/user/remora-codex.service").exists()


def test_a_service_of_that_name_that_is_not_ours_stays(tmp_path: Path) -> None:
    with host(tmp_path) as sshd:
        unit = sshd.home / ".config/systemd/user/remora-codex.service"
        unit.parent.mkdir(parents=True)
        unit.write_text("[Service]\nExecStart=/bin/true\n")
        first, _ = brought(sshd, ServerTable(memory="1GiB"))
        assert first.state is StepState.SAME
        assert unit.exists()


def test_an_account_that_may_not_linger_is_told_what_that_means(tmp_path: Path) -> None:
    with host(tmp_path) as sshd:
        (sshd.home / "refuses").touch()
        _, last = brought(sshd, TABLE)
        assert last.state is StepState.SAME
        (notice,) = last.notices
        assert "enable-linger" in notice


def test_f45_a_sandbox_that_cannot_start_is_told_with_the_policy(tmp_path: Path) -> None:
    refusal = "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n"
    with host(tmp_path, unshare=refusal) as sshd:
        _, last = brought(sshd, TABLE)
        (notice,) = (notice for notice in last.notices if "sandbox-unusable" in notice)
        assert "Operation not permitted" in notice
        assert "max_user_namespaces" in notice
