"""`scripts/bench provision`: hosts brought to a state, and found in it, by remora, Ansible and pyinfra; then the
transfer of the real codex beside ``scp`` and ``rsync -z``.

All contestants reach the same sshd through the same delay and take their turns in one run. Every run is a whole
process that logs in anew. Hosts are homes of this machine, so what they compute counts for all contestants alike.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import platformdirs
from scripts.provision_contestants import Ansible, Contestant, Emitted, Pyinfra, Remora, check_state
from scripts.provision_fleet import provision_fleet
from scripts.provision_transfer import compare_transfers

HOSTS: Final = (1, 10, 50)
ROUND_TRIP: Final = 0.05
TARGET_HOSTS: Final = 10
TARGETS: Final = {Pyinfra.name: 5.0, Ansible.name: 20.0, Emitted.name: 20.0}


@dataclass(slots=True)
class Measured:
    """Seconds of first and of unchanged runs."""

    first: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)


def main() -> int:
    """Measure, print the tables, and say by the exit status whether the targets are kept."""
    options = _options()
    programs = _programs()
    base = Path(platformdirs.user_cache_dir("remora"))
    base.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"machine": _machine(), "goals": []}
    if options.only in {None, "runs"}:
        document["runs"] = [_measure_runs(count, base, programs, options) for count in options.hosts]
        document["goals"] += _run_goals(document["runs"], options.round_trip)
    if options.only in {None, "transfer"}:
        transfers, goals = compare_transfers(base, runs=options.transfers, seconds=options.seconds)
        document["transfer"] = transfers
        document["goals"] += goals
    print(json.dumps(document) if options.json else _paper(document))
    return 0 if all(goal["kept"] for goal in document["goals"]) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench provision", description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="*", default=list(HOSTS), help="how many hosts, each a measurement")
    parser.add_argument("--round-trip", type=float, default=ROUND_TRIP, help="seconds there and back")
    parser.add_argument("--turns", type=int, default=3, help="first runs of each contestant")
    parser.add_argument("--again", type=int, default=3, help="unchanged runs after each first one")
    parser.add_argument("--transfers", type=int, default=3, help="transfers of each contestant")
    parser.add_argument("--seconds", type=float, default=900.0, help="after so long a measurement begins no new turn")
    parser.add_argument("--only", choices=("runs", "transfer"))
    parser.add_argument("--json", action="store_true", help="one document instead of tables")
    return parser.parse_args()


def _programs() -> Path:
    """Ansible and pyinfra in an environment of their own: the group ``bench`` of the project."""
    folder = Path(".cache/bench-provision").resolve()
    python, stamp = folder / "bin/python", folder / "complete"
    wanted = Path("pyproject.toml").read_text().partition("\nbench = [")[2].partition("]")[0]
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "pip>=25.1"], check=True)
        subprocess.run([*pip, "--group", "bench"], check=True)
        stamp.write_text(wanted)
    return python.parent


def _measure_runs(count: int, base: Path, programs: Path, options: argparse.Namespace) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="v-", dir=base))
    began = time.monotonic()
    try:
        with provision_fleet(folder, count, round_trip=options.round_trip) as fleet:
            kinds: list[type[Contestant]] = [Remora, Pyinfra, Ansible]
            if _emits():
                kinds.append(Emitted)
            contestants = [kind(folder / kind.__name__, fleet, programs) for kind in kinds]
            measured = {contestant.name: Measured() for contestant in contestants}
            for turn in range(options.turns):
                if turn and time.monotonic() - began > options.seconds:
                    break
                for contestant in contestants:
                    fleet.wipe()
                    measured[contestant.name].first.append(contestant.run().seconds)
                    for host in fleet.hosts:
                        check_state(host)
                    for _ in range(options.again):
                        _again(contestant, measured[contestant.name])
            print(f"measured: {count} hosts", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "hosts": count,
        "round_trip": options.round_trip,
        "contestants": {
            name: {
                "first": statistics.median(each.first),
                "unchanged": statistics.median(each.unchanged),
                "runs": [len(each.first), len(each.unchanged)],
            }
            for name, each in measured.items()
        },
    }


def _again(contestant: Contestant, measured: Measured) -> None:
    run = contestant.run()
    if not run.unchanged:
        raise SystemExit(f"{contestant.name} has changed something in its second run")
    measured.unchanged.append(run.seconds)


def _emits() -> bool:
    remora = str(Path(sys.executable).with_name("remora"))
    said = subprocess.run([remora, "provision", "--help"], capture_output=True, text=True, check=True).stdout
    return "--emit" in said


def _run_goals(runs: Sequence[dict[str, Any]], round_trip: float) -> list[dict[str, Any]]:
    goals = []
    for run in runs:
        if run["hosts"] != TARGET_HOSTS or round_trip != ROUND_TRIP:
            continue
        ours = run["contestants"][Remora.name]["unchanged"]
        for name, target in TARGETS.items():
            if name in run["contestants"]:
                ratio = run["contestants"][name]["unchanged"] / ours
                what = f"unchanged run at {TARGET_HOSTS} hosts and {ROUND_TRIP * 1e3:.0f} ms, {name} / remora"
                goals.append({"what": what, "target": target, "measured": ratio, "kept": ratio >= target})
    return goals


def _machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"load {load:.1f} at the beginning"
    )


def _paper(document: dict[str, Any]) -> str:
    lines = [document["machine"]]
    for run in document.get("runs", ()):
        ours = run["contestants"][Remora.name]
        lines += [
            "",
            f"| {run['hosts']} hosts, {run['round_trip'] * 1e3:.0f} ms | first run | | unchanged run | |",
            "|---|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {name} | {each['first']:.2f} s | {each['first'] / ours['first']:.1f} x "
            f"| {each['unchanged']:.2f} s | {each['unchanged'] / ours['unchanged']:.1f} x |"
            for name, each in run["contestants"].items()
        ]
    for transfer in document.get("transfer", ()):
        lines += ["", f"| {transfer['what']} | time | beside scp |", "|---|---:|---:|"]
        scp = transfer["seconds"]["scp"]
        lines += [f"| {name} | {taken:.2f} s | {scp / taken:.2f} x |" for name, taken in transfer["seconds"].items()]
    lines.append("")
    lines += [
        f"- {goal['what']}: {goal['measured']:.2f} x (target {goal['target']:.2f} x): "
        f"{'kept' if goal['kept'] else 'BROKEN'}"
        for goal in document["goals"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
