"""A machine with control groups of version 2 and quotas: what is told of limits holds when they are exceeded."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from tests.containers.test_booted_server import notices, server_of
from tests.containers.test_ordinary_hosts import run_prompt
from tests.support.base import until
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account
from tests.support.containers.container_manifest import Laptop, laptop, outcomes
from tests.support.containers.container_model import furnish, model_reached

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step

LIMIT = 4 * until.LIMIT
"""Seconds for one command on a machine whose processor is emulated, beside tests on every real one."""
pytestmark = [pytest.mark.containers, pytest.mark.codex, pytest.mark.longest, pytest.mark.timeout(3 * LIMIT)]

MANIFEST = """
[defaults.codex]
version = "installed"
source = "none"
[defaults.server]
start = true
survive_reboot = true
memory = "384MiB"
cpu = 0.7
processes = 100
"""
LIMITS = {"memory.max": "402653184", "memory.swap.max": "0", "cpu.max": "70000 100000", "pids.max": "100"}
EAT = "python3 -c 'bytearray(600 << 20)'; echo ended $?"
FORK = """python3 -c '
import os, signal
children = []
try:
    while len(children) < 200:
        children.append(os.fork() or signal.pause())
except OSError as error:
    print("refused:", error.strerror)
for child in children:
    os.kill(child, signal.SIGKILL)
'"""
BURN = """python3 -c '
import json, os, time
group = "/sys/fs/cgroup" + open("/proc/self/cgroup").read().split("::")[1].strip()
def used():
    return dict((name, int(value)) for name, value in map(str.split, open(group + "/cpu.stat")))
def burn():
    while sum(os.times()[:2]) < 1:
        pass
before, began = used(), time.monotonic()
children = [os.fork() or (burn(), os._exit(0)) for _ in range(2)]
for child in children:
    os.waitpid(child, 0)
print(json.dumps([time.monotonic() - began, before, used()]))
'"""
"""Two processes that want a second of a processor each: the time passed, and what the server used of it."""
GREEDY = {"eaten": EAT, "forked": FORK, "burnt": BURN}
"""Commands that take more than they may, by the file that gets what each says.

A file, because a server that has just been throttled loses the last words of a command that ends.
"""

PATIENCE = dict.fromkeys(
    (
        "connect",
        "shell_silence",
        "shell_total",
        "probe",
        "launch",
        "handshake",
        "request",
        "channel",
        "provision_step",
    ),
    400,
)
"""What a user of such a slow host would set."""


@contextmanager
def visit(machines: ContainerHosts) -> Iterator[tuple[Account, Laptop]]:
    """An account, and a laptop that has the patience for it."""
    with machines.visit("machine", alone=True) as account, laptop(account) as box:
        settings = box.place.folder / "config/remora/config.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text("[limits]\n" + "".join(f"{name} = {seconds}\n" for name, seconds in PATIENCE.items()))
        environment = {**box.place.environment, "XDG_CONFIG_HOME": str(settings.parents[1])}
        yield account, Laptop(replace(box.place, environment=environment, limit=LIMIT))


def kernel_limits(account: Account, server: int | None) -> dict[str, str]:
    """The limits of the server's control group, as the kernel has them."""
    group = account.host.exec("cat", f"/proc/{server}/cgroup").stdout.strip().removeprefix("0::")
    return {name: account.host.exec("cat", f"/sys/fs/cgroup{group}/{name}").stdout.strip() for name in LIMITS}


def assert_kept(account: Account) -> None:
    """What a turn's commands said that took more than they may."""
    said = {name: account.host.exec("cat", f"{account.home}/project/{name}").stdout for name in GREEDY}
    assert "ended 137" in said["eaten"]
    assert "refused: Resource temporarily unavailable" in said["forked"]
    seconds, before, after = json.loads(said["burnt"])
    used = (after["usage_usec"] - before["usage_usec"]) / 1e6
    assert used >= 2.0
    assert used <= 0.7 * seconds * 1.25 + 0.25, (used, seconds)
    assert after["nr_throttled"] > before["nr_throttled"]


def exceed(account: Account, box: Laptop, model: ScriptedModel) -> None:
    """A turn that takes more of everything than it may; the server outlives it."""
    server = server_of(account)
    assert kernel_limits(account, server) == LIMITS
    with model_reached(account, model):
        report = run_prompt(box.place, account)
    assert (report["outcome"], report["final_message"]) == ("completed", "Still here."), report
    assert_kept(account)
    assert server_of(account) == server


def test_limits_that_are_exceeded_hold_and_the_server_lives_on(machines: ContainerHosts) -> None:
    commands = [RunCommand(f"({text}) >{name} 2>&1", to_the_end=True) for name, text in GREEDY.items()]
    turn: list[Step] = [*commands, Say("Still here.")]
    with (
        visit(machines) as (account, box),
        ScriptedModel(turn) as model,
    ):
        account.install_codex("0.163.0")
        furnish(account, model)
        box.write(MANIFEST, account)
        first = box.provision_one()
        assert first["ok"], first
        assert (outcomes(first)["limits"], outcomes(first)["server"], notices(first)) == ("changed", "changed", "")
        exceed(account, box, model)
