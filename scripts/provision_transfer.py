"""The real codex on its way to a host: ``remora provision`` beside ``scp`` and ``rsync -z``.

Each copies the same files: the program alone, or its whole package. remora is measured twice: the whole run with its
plan, its lock, its other steps and the reading afterwards; and of that the step that brings codex, which is what the
others do. Even that has in it what they do not: the proof of the digest on the host, the first start of codex there,
and the switch. The others' times have their logins in them.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scripts.provision_contestants import UNWANTED
from scripts.provision_fleet import Fleet, FleetHost, provision_fleet
from tests.support.codex.binaries import fetch
from tests.support.network.faults import Narrow

if TYPE_CHECKING:
    from collections.abc import Sequence

CODEX: Final = "0.163.0"
OURS: Final = "remora provision"
STEP: Final = "its step that brings codex"
NARROW: Final = 100e6 / 8
"""Bytes a second of a link of 100 Mbit/s."""
_LIMIT: Final = 600.0


def compare_transfers(base: Path, *, runs: int, seconds: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Medians for the program alone and the whole package, on bare loopback and on a narrow link; and the goals."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir=base))
    program = fetch(CODEX)
    lone = folder / "lone" / "codex"
    lone.parent.mkdir()
    shutil.copy2(program, lone)
    tables, goals = [], []
    try:
        with provision_fleet(folder, 1) as fleet:
            for rate, link in ((0.0, "loopback"), (NARROW, "100 Mbit/s")):
                fleet.strike(Narrow(rate))
                for source, what in ((lone, "program alone"), (program, "whole package")):
                    ways = _Ways(fleet, source, folder / "ours", direct=not rate)
                    taken = ways.compare(runs=runs, seconds=seconds / 4)
                    size, packed = ways.sizes()
                    shrinks = f"{size / 1e6:.0f} MB, sent as {packed / 1e6:.0f} MB ({size / packed:.2f} x)"
                    tables.append({"what": f"codex {CODEX}, {what}, {shrinks}, {link}", "seconds": taken})
                    target = size / packed if rate else 1.0
                    goals.append(_goal(f"{what}, {link}", taken, target))
                    print(f"measured: {what} on {link}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tables, goals


def _goal(what: str, taken: dict[str, float], target: float) -> dict[str, Any]:
    """The transfer is the step; what the run around it costs stands in the table beside it."""
    ratio = taken["scp"] / taken[STEP]
    return {"what": f"{what}, scp / {STEP}", "target": target, "measured": ratio, "kept": ratio >= target}


class _Ways:
    """Every way that `program` can take, with its package if it has one, to the one host of `fleet`."""

    def __init__(self, fleet: Fleet, program: Path, ours: Path, *, direct: bool) -> None:
        self._fleet = fleet
        self._ours = ours
        self._config = self._direct_config() if direct else fleet.ssh_config
        self._lone = program.parent.name == "lone"
        source = str(program if self._lone else program.parent.parent)
        config, alias = str(self._config), self._host.alias
        remora = str(Path(sys.executable).with_name("remora"))
        copy = [] if self._lone else ["-r"]
        target = f"{alias}:{self._host.home}/copy"
        self.commands: dict[str, Sequence[str]] = {
            OURS: (
                *(remora, "provision", alias, "--codex", "latest", "--source", "file", "--file", str(program)),
                *("--json", "--no-input", "--ssh-config", config),
            ),
            "scp": ("scp", "-q", *copy, "-F", config, source, target),
            "scp -C": ("scp", "-q", "-C", *copy, "-F", config, source, target),
            "rsync -z": ("rsync", "-az", "-e", f"ssh -F {config}", source, target),
        }

    @property
    def _host(self) -> FleetHost:
        return self._fleet.hosts[0]

    def compare(self, *, runs: int, seconds: float) -> dict[str, float]:
        """Median seconds of each way; they take turns. Before that remora alone, which packs."""
        shutil.rmtree(self._ours / "cache", ignore_errors=True)
        first, _ = self._run(OURS)
        taken: dict[str, list[float]] = {name: [] for name in (OURS, STEP, *self.commands)}
        began = time.monotonic()
        for turn in range(runs):
            if turn and time.monotonic() - began > seconds:
                break
            for name in self.commands:
                took, output = self._run(name)
                taken[name].append(took)
                if name == OURS:
                    steps = json.loads(output)["hosts"][0]["steps"]
                    taken[STEP].append(next(step["seconds"] for step in steps if step["name"] == "codex"))
        return {**{name: statistics.median(each) for name, each in taken.items()}, f"{OURS}, the first time": first}

    def sizes(self) -> tuple[int, int]:
        """The bytes of the package that was made last, and those that travel."""
        (record,) = (self._ours / "cache/remora/packages").glob("*/package.json")
        package = json.loads(record.read_bytes())["package"]
        return package["size"], sum(package["frames"])

    def _run(self, name: str) -> tuple[float, bytes]:
        self._host.wipe()
        environment = {
            **{name: value for name, value in os.environ.items() if name not in UNWANTED},
            "XDG_CONFIG_HOME": str(self._ours / "config"),
            "XDG_STATE_HOME": str(self._ours / "state"),
            "XDG_CACHE_HOME": str(self._ours / "cache"),
        }
        began = time.perf_counter()
        done = subprocess.run(
            self.commands[name],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"{name} failed ({done.returncode}): {(done.stdout + done.stderr).decode()[-2000:]}")
        return seconds, done.stdout

    def _direct_config(self) -> Path:
        """The host at sshd's own port: no proxy in the way of bytes."""
        config = self._fleet.ssh_config.with_name("direct")
        text = self._fleet.ssh_config.read_text()
        config.write_text(text.replace(f"Port {self._host.proxy.port}\n", f"Port {self._host.door}\n"))
        known = self._fleet.sshd.known_hosts
        key = known.read_text().split(" ", 1)[1].splitlines()[0]
        entry = f"[127.0.0.1]:{self._host.door} {key}\n"
        if entry not in known.read_text():
            known.write_text(known.read_text() + entry)
        return config
