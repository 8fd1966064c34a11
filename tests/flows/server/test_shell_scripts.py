"""The scripts for the other machine signal nobody who is not proven ours, and tell limits without a process."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from tests.support.base.required import missing, need_mounts


def script(name: str) -> str:
    return files("remora.remote").joinpath(f"{name}.sh").read_text()


@pytest.mark.parametrize("own", [True, False], ids=["in our folder", "behind a link that anybody may have laid"])
def test_only_a_record_in_a_folder_of_ours_names_what_is_stopped(own: bool, tmp_path: Path) -> None:
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir(mode=0o700)
    linked.symlink_to(real)
    with subprocess.Popen(["sleep", "300"]) as process:
        try:
            words = f"""{script("prelude")}
remora_run={real if own else linked} remora_key=1 remora_home={tmp_path} remora_socket={tmp_path}/none remora_limit=5
XDG_CONFIG_HOME={tmp_path}
printf '%s %s %s\\n' {process.pid} "$(remora_start_time {process.pid})" "$(remora_boot_id)" >"$remora_run/server-1"
{script("lock")}{script("sockets")}{script("service")}{script("stop")}"""
            done = subprocess.run(
                ["/bin/sh"], input=f"remora_nonce=n\n{words}", stdout=subprocess.PIPE, text=True, check=True, timeout=30
            )
            assert ("outcome=stopped" in done.stdout) is own
            assert ("outcome=absent" in done.stdout) is not own
            assert (process.poll() is None) is not own
        finally:
            process.kill()


@pytest.mark.parametrize("ours", [True, False], ids=["written by provision", "somebody else's"])
def test_a_server_of_our_own_service_is_ended_by_the_manager_that_would_bring_it_back(
    ours: bool, tmp_path: Path
) -> None:
    """The manager is a stand-in that writes down what it is told, and ends what it says that it runs."""
    unit = tmp_path / "systemd/user/remora-codex.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("# Written by remora provision.\n[Unit]\n" if ours else "[Unit]\n# Written by remora provision.\n")
    with subprocess.Popen(["sleep", "300"]) as process:
        try:
            words = f"""{script("prelude")}
systemctl() {{
  echo "$@" >>{tmp_path}/told
  case $2 in show) echo {process.pid} ;; stop) kill {process.pid} ;; esac
}}
mkdir -m 700 {tmp_path}/run
remora_run={tmp_path}/run remora_key=1 remora_home={tmp_path} remora_user=$(id -u) remora_socket={tmp_path}/none
remora_limit=5 XDG_CONFIG_HOME={tmp_path}
{script("lock")}{script("sockets")}{script("service")}{script("stop")}"""
            done = subprocess.run(
                ["/bin/sh"], input=f"remora_nonce=n\n{words}", stdout=subprocess.PIPE, text=True, check=True, timeout=30
            )
            assert ("outcome=stopped" in done.stdout) is ours
            assert ("outcome=absent" in done.stdout) is not ours
            assert (process.poll() is None) is not ours
            told = (tmp_path / "told").read_text() if ours else ""
            assert ("--user stop --no-block remora-codex.service" in told) is ours
        finally:
            process.kill()


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_f91_what_bounds_an_account_is_told_without_starting_anything(shell: str, tmp_path: Path) -> None:
    """Groups of both generations: what lies in the way from a group to the root bounds it, too."""
    need_mounts()
    program = shutil.which(shell) or missing(f"{shell} is not installed")
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids/pids.max").write_text("64\n")
    (tmp_path / "memory.max").write_text("268435456\n")
    (tmp_path / "pids.max").write_text("max\n")
    words = f"""mount --bind {tmp_path} /sys/fs/cgroup || exit 9
ulimit -v 1000000
PATH=/nowhere
{script("prelude")}
PATH=/nowhere
IFS=:
remora_limits"""
    done = subprocess.run(
        ["unshare", "-m", program], input=f"remora_nonce=n\n{words}", stdout=subprocess.PIPE, text=True, check=True
    )
    told = [line.removeprefix("<n>") for line in done.stdout.splitlines() if line]
    assert {"limit.processes=64", "limit.processes=max", "limit.memory=268435456", "limit.memory=1024000000"} <= set(
        told
    )
