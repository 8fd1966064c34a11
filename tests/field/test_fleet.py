"""F90: a hundred hosts at once, thirty of them dead in different ways, with ``remora connect``."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.codex.fake_codex import install
from tests.support.link.chain import end_servers, furnish_host
from tests.support.link.hubs import hub_place
from tests.support.sshd.system_sshd import SystemSshd, make_key

pytestmark = pytest.mark.sshd

LIVE, MACHINES, DEAD = 70, 5, 6
PER_SECOND = 30.0
SETTINGS = f"[limits]\ndials_per_second = {PER_SECOND}\nconnect = 3\nlogin = 4\n"
LIMIT = 60.0


def test_f90_dead_hosts_hold_up_nobody_and_connections_come_one_after_another(tmp_path: Path) -> None:
    with ExitStack() as stack:
        hosts = [stack.enter_context(SystemSshd(tmp_path, options=["MaxSessions 3"])) for _ in range(MACHINES)]
        for host in hosts:
            stack.callback(end_servers, host)
            furnish_host(host, install(tmp_path / "programs/codex"))
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        free = stack.enter_context(socket.socket())
        free.bind(("127.0.0.1", 0))
        blocks = [hosts[number % MACHINES].ssh_config(f"live{number}") for number in range(LIVE)]
        expected = Counter({"ok": LIVE})
        for code, extra in ways_to_be_dead(tmp_path, free, mute).items():
            blocks += [dead(hosts[0], f"dead-{code}-{number}", extra) for number in range(DEAD)]
            expected[code] = DEAD
        (tmp_path / "config").write_text("".join(blocks))
        (tmp_path / "remora").mkdir()
        (tmp_path / "remora/config.toml").write_text(SETTINGS)
        aliases = [line.split()[1] for line in "".join(blocks).splitlines() if line.startswith("Host ")]
        names = {"REMORA_SSH_CONFIG": str(tmp_path / "config"), "XDG_CONFIG_HOME": str(tmp_path)}
        place = stack.enter_context(hub_place(**names))
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "remora", "connect", *aliases, "--json", "--no-input"],
            env={**os.environ, **place.environment},
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        taken = time.monotonic() - began
        results = json.loads(done.stdout)["hosts"]
        assert Counter("ok" if each["ok"] else each["error"]["code"] for each in results) == expected
        assert taken > (len(aliases) - DEAD) / PER_SECOND - 1, "connections came faster than they may"
        assert sum(len(host.session_processes()) for host in hosts) < 4 * MACHINES


def dead(host: SystemSshd, alias: str, extra: list[str]) -> str:
    """A ``Host`` block with lines that stop it; one identity file is enough for that, so the right one is left out."""
    block = host.ssh_config(alias, extra=extra)
    return block.replace(f"  IdentityFile {host.identity}\n", "") if "IdentityFile" in " ".join(extra) else block


def ways_to_be_dead(folder: Path, free: socket.socket, mute: socket.socket) -> dict[str, list[str]]:
    """Lines of an SSH config by the code that they lead to."""
    other = folder / "other-hosts"
    other.write_text("")
    return {
        "connection-refused": [f"Port {free.getsockname()[1]}"],
        "connect-timeout": [f"Port {mute.getsockname()[1]}"],
        "name-not-found": ["HostName no-such-host.invalid"],
        "host-key-unknown": [f"UserKnownHostsFile {other}"],
        "authentication-refused": [f"IdentityFile {make_key(folder / 'stranger')}"],
    }
