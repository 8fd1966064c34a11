"""`scripts/bench connect`: how long until a thread on a host has been started, at several round-trip times.

Every contestant is a whole process, from its start until ``thread/start`` is answered (``ssh HOST true``:
until it ends). All log in to the same sshd through the same delay proxy, in turns, so that a busy machine
slows them alike.
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
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs
from tests.support.codex.binaries import fetch
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import Delay
from tests.support.sshd.system_sshd import SystemSshd

from remora.demo.scripted_model import Say, ScriptedModel

CODEX: Final = "0.163.0"
ROUND_TRIPS: Final = (0.0, 0.05, 0.1, 0.15)
TARGET_ROUND_TRIP: Final = 0.1
TARGET_RATIO: Final = 1.15
ALIAS: Final = "bench"
_RUN_LIMIT: Final = 60.0
_SOCKET: Final = ".codex/app-server-control/app-server-control.sock"


@dataclass(slots=True)
class Contestant:
    """One way to a thread. `fresh` ends all servers before it; without, it finds the one of its forerunner."""

    name: str
    command: Sequence[str]
    fresh: bool = False
    seconds: dict[float, list[float]] = field(default_factory=dict)
    logins: set[int] = field(default_factory=set)

    def median(self, round_trip: float) -> float:
        return statistics.median(self.seconds[round_trip])

    def slope(self) -> float:
        """Round trips, told from how the time grows with the round-trip time (least squares).

        The fastest runs tell it best: whatever else the machine did only adds to a run.
        """
        points = [(round_trip, min(taken)) for round_trip, taken in self.seconds.items()]
        return statistics.linear_regression(*zip(*points, strict=True)).slope if len(points) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The host that everybody logs in to, as reached through the proxy."""

    sshd: SystemSshd
    proxy: FaultProxy
    ssh_config: Path
    work: Path

    def end_servers(self) -> None:
        """End every process that earlier sessions left on the host."""
        for pid in self.sshd.session_processes():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 10
        while self.sshd.session_processes() and time.monotonic() < deadline:
            time.sleep(0.01)

    def measure(self, contestant: Contestant, *, record: bool) -> None:
        """One run of one contestant."""
        if contestant.fresh:
            self.end_servers()
        before = self.sshd.accepted_logins()
        began = time.perf_counter()
        seconds = until_thread(contestant.command, began)
        if record:
            contestant.seconds.setdefault(self.proxy.round_trip, []).append(seconds)
            contestant.logins.add(self.sshd.accepted_logins() - before)


def main() -> int:
    """Measure, print the table, and say by the exit status whether the target is kept."""
    options = _options()
    sdk_python = _sdk_environment()
    with _bench() as bench:
        contestants = _contestants(bench, sdk_python)
        for round_trip in ROUND_TRIPS:
            bench.proxy.strike(Delay(round_trip))
            for turn in range(options.runs + 1):
                for contestant in contestants:
                    bench.measure(contestant, record=turn > 0)
            print(f"measured at {round_trip * 1000:.0f} ms", file=sys.stderr)
        bench.end_servers()
    print(_table(contestants, options.runs))
    return _verdict(contestants)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench connect", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="runs of each contestant at each round-trip time")
    return parser.parse_args()


@contextmanager
def _bench() -> Iterator[Bench]:
    codex = fetch(CODEX)
    cache = Path(platformdirs.user_cache_dir("remora"))
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="b-", dir=cache))
    try:
        with ScriptedModel([Say("Done.")]) as model, SystemSshd(folder) as sshd, FaultProxy(sshd.port) as proxy:
            model.furnish(sshd.home / ".codex")
            for name in (".bashrc", ".profile", ".zshenv"):
                (sshd.home / name).write_text(f'PATH="{codex.parent}:$PATH"\nexport PATH\n')
            work = sshd.home / "work"
            work.mkdir()
            config = folder / "config"
            known = sshd.known_hosts.read_text().replace(f":{sshd.port} ", f":{proxy.port} ")
            sshd.known_hosts.write_text(known)
            config.write_text(sshd.ssh_config(ALIAS).replace(f"Port {sshd.port}", f"Port {proxy.port}"))
            yield Bench(sshd, proxy, config, work)
    finally:
        shutil.rmtree(folder)


def _contestants(bench: Bench, sdk_python: Path) -> list[Contestant]:
    config, work = str(bench.ssh_config), str(bench.work)
    remora = str(Path(sys.executable).with_name("remora"))
    run = [remora, "run", f"{ALIAS}:{work}", "hello", "--json", "--no-input", "--ssh-config", config]
    program = str(Path(__file__).with_name("connect_contestants.py"))
    rest = [config, ALIAS, work, str(bench.sshd.home / _SOCKET)]
    return [
        Contestant("remora, server started", run, fresh=True),
        Contestant("remora, server adopted", run),
        Contestant("ssh -L and WebSocket, server runs", [sys.executable, program, "forward", *rest]),
        Contestant("official SDK over ssh, server started", [str(sdk_python), program, "sdk", *rest], fresh=True),
        Contestant("ssh HOST true", ["ssh", "-F", config, ALIAS, "true"]),
    ]


def _sdk_environment() -> Path:
    """The official SDK in an environment of its own."""
    folder = Path(".cache/bench-sdk").resolve()
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"openai-codex=={CODEX}"], check=True)
        (folder / "complete").touch()
    return python


def until_thread(command: Sequence[str], began: float) -> float:
    """Seconds until the process says that the thread is there, or ends; then it may finish in peace."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        seconds = None
        limit = threading.Timer(_RUN_LIMIT, process.kill)
        limit.start()
        for line in process.stdout:
            if seconds is None and json.loads(line).get("kind") == "thread":
                seconds = time.perf_counter() - began
        _, errors = process.communicate()
        limit.cancel()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed ({process.returncode}): {errors.decode()[-2000:]}")
    return seconds or time.perf_counter() - began


def _table(contestants: Sequence[Contestant], runs: int) -> str:
    """The medians as a Markdown table."""
    columns = [f"{round_trip * 1000:.0f} ms" for round_trip in ROUND_TRIPS]
    lines = [
        f"Time until `thread/start` is answered, whole process, median of {runs} runs; codex {CODEX};",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}.",
        "",
        "| round-trip time | " + " | ".join(columns) + " | round trips | logins |",
        "|---|" + "---:|" * (len(columns) + 2),
    ]
    for contestant in contestants:
        cells = [f"{contestant.median(round_trip) * 1000:.0f} ms" for round_trip in ROUND_TRIPS]
        logins = "-".join(map(str, sorted(contestant.logins)))
        lines.append(f"| {contestant.name} | {' | '.join(cells)} | {contestant.slope():.1f} | {logins} |")
    return "\n".join(lines)


def _verdict(contestants: Sequence[Contestant]) -> int:
    remora, sdk = contestants[0], contestants[3]
    ratio = remora.median(TARGET_ROUND_TRIP) / sdk.median(TARGET_ROUND_TRIP)
    kept = ratio <= TARGET_RATIO and remora.logins == {1}
    print(
        f"\nremora, server started / official SDK at {TARGET_ROUND_TRIP * 1000:.0f} ms: {ratio:.2f} x "
        f"(target {TARGET_RATIO} x, one login): {'kept' if kept else 'BROKEN'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
