"""`scripts/bench link`: what a link costs, beside ``ssh -L`` and plain asyncssh forwarding in the same run.

The bytes go the whole way: local socket, hub, SSH, relay, socket on the host. There a program that only moves bytes
stands in for the app server, behind a real handshake. All log in to the same sshd and take their turns.
"""

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs
from scripts.bench_connect import CODEX, Contestant, until_thread
from scripts.link_bytes import Way, ask, download, echo, latencies, take, upload
from scripts.link_fleet import fleet
from scripts.link_traffic import measure_traffic
from tests.support.base.until import wait_until
from tests.support.codex.binaries import fetch
from tests.support.codex.fake_codex import Fault, install
from tests.support.link.chain import ALIAS, Chain, chain
from tests.support.network.byte_server import ECHO
from tests.support.network.faults import CutNow, Delay
from tests.support.sshd.system_sshd import free_port

from remora.demo.scripted_model import Say, ScriptedModel

ROUND_TRIPS: Final = (0.0, 0.05, 0.1)
LINKS: Final = (1, 10, 100)
_MIB: Final = 2**20
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Goal:
    """Something promised, what was measured, and whether it is kept."""

    what: str
    measured: str
    kept: bool


@dataclass(slots=True)
class Figures:
    """What goes on paper."""

    lines: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.lines += ["", f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
        self.lines += [f"| {' | '.join(row)} |" for row in rows]


def main() -> int:
    """Measure, print, and say by the exit status whether the targets are kept."""
    options = _options()
    base = Path(platformdirs.user_cache_dir("remora"))
    base.mkdir(parents=True, exist_ok=True)
    figures = Figures()
    parts = {
        "bytes": _measure_bytes,
        "traffic": _measure_traffic,
        "breaks": _measure_breaks,
        "thread": _measure_thread,
        "links": _measure_links,
    }
    for name, part in parts.items():
        if options.only in {None, name}:
            part(figures, base, options)
            print(f"measured: {name}", file=sys.stderr, flush=True)
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}.")
    print("\n".join(figures.lines))
    print()
    for goal in figures.goals:
        print(f"- {goal.what}: {goal.measured}: {'kept' if goal.kept else 'BROKEN'}")
    return 0 if all(goal.kept for goal in figures.goals) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench link", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--messages", type=int, default=1000, help="messages of 200 bytes in each turn")
    parser.add_argument("--megabytes", type=int, default=64, help="what each throughput measurement moves")
    parser.add_argument("--requests", type=int, default=3000, help="connections of each turn of `ab`")
    parser.add_argument("--seconds", type=int, default=5, help="each turn of `pgbench`")
    parser.add_argument("--download", type=int, default=1024, help="MiB of each download through a port")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds that an idle link is watched")
    parser.add_argument("--links", type=int, nargs="*", default=list(LINKS), help="how many links a hub holds")
    parser.add_argument("--only", choices=("bytes", "traffic", "breaks", "thread", "links"))
    return parser.parse_args()


# -- bytes


def _measure_bytes(figures: Figures, base: Path, options: argparse.Namespace) -> None:
    with _byte_host(base, direct=True) as bench, _ways(bench, base) as ways:
        rounds: dict[str, list[list[float]]] = {way.name: [] for way in ways}
        moved: dict[str, dict[str, list[float]]] = {way.name: {"echo": [], "up": [], "down": []} for way in ways}
        size = options.megabytes * _MIB
        for turn in range(options.rounds + 1):
            for way in ways:
                taken = latencies(way, options.messages)
                speeds = {"echo": echo(way, size), "up": upload(way, size), "down": download(way, size)}
                if turn:
                    rounds[way.name].append(taken)
                    for name, speed in speeds.items():
                        moved[way.name][name].append(speed)
        _tell_bytes(figures, ways, rounds, moved)


@contextmanager
def _byte_host(base: Path, *, direct: bool) -> Iterator[Chain]:
    """A host whose app server moves bytes."""
    programs = Path(tempfile.mkdtemp(prefix="p-", dir=base))
    try:
        fake = install(programs / "codex", Fault.PLAIN_BYTES)
        with chain(fake, base=base, direct=direct) as bench:
            yield bench
    finally:
        shutil.rmtree(programs)


@contextmanager
def _ways(bench: Chain, base: Path) -> Iterator[list[Way]]:
    """Every way to that host's bytes; all are there when this yields."""
    with ExitStack() as stack:
        link = bench.connect()
        scratch = Path(tempfile.mkdtemp(prefix="w-", dir=base))
        stack.callback(shutil.rmtree, scratch)
        plain = bench.control_socket()
        server = [sys.executable, "-m", "tests.support.network.byte_server", str(scratch / "b")]
        port = int(_first_line(stack, server))
        local, bare, tcp = scratch / "l", scratch / "a", free_port()
        ssh = ["ssh", "-F", str(bench.ssh_config), "-N", "-o", "ExitOnForwardFailure=yes"]
        _background(stack, [*ssh, "-L", f"{local}:{plain}", "-L", f"{tcp}:127.0.0.1:{port}", ALIAS])
        rest = ["127.0.0.1", str(bench.sshd.port), bench.sshd.user, str(bench.sshd.identity), plain]
        _first_line(stack, [sys.executable, str(Path(__file__).with_name("link_contestants.py")), str(bare), *rest])
        ways = [
            Way("no SSH", plain),
            Way("remora, the link's socket", link.socket),
            Way("remora forward", bench.place.document("forward", ALIAS, str(port))["forwards"][0]["local_port"]),
            Way("ssh -L to the socket", str(local)),
            Way("ssh -L to a port", tcp),
            Way("asyncssh to the socket", str(bare)),
        ]
        for way in ways:
            wait_until(way.answers, what=way.name)
        yield ways


def _tell_bytes(
    figures: Figures,
    ways: Sequence[Way],
    rounds: dict[str, list[list[float]]],
    moved: dict[str, dict[str, list[float]]],
) -> None:
    medians = {name: statistics.median(statistics.median(turn) for turn in turns) for name, turns in rounds.items()}
    tails = {
        name: statistics.median(statistics.quantiles(turn, n=20)[-1] for turn in turns)
        for name, turns in rounds.items()
    }
    speeds = {name: {kind: statistics.median(each) for kind, each in kinds.items()} for name, kinds in moved.items()}
    figures.table(
        ["", "200 bytes and back, median", "95 %", "echo", "to the host", "from the host"],
        [
            [
                way.name,
                f"{medians[way.name] * 1e3:.3f} ms",
                f"{tails[way.name] * 1e3:.3f} ms",
                *(f"{speeds[way.name][kind] / 1e6:.0f} MB/s" for kind in ("echo", "up", "down")),
            ]
            for way in ways
        ],
    )
    ours, theirs = ways[1].name, ways[3].name
    more = medians[ours] - medians[theirs]
    figures.goals.append(Goal("a message, beside ssh -L (target + 0.3 ms)", f"{more * 1e3:+.3f} ms", more < 3e-4))
    for kind in ("echo", "up", "down"):
        ratio = speeds[ours][kind] / speeds[theirs][kind]
        figures.goals.append(Goal(f"throughput ({kind}), beside ssh -L (target 1 x)", f"{ratio:.2f} x", ratio >= 1))


# -- traffic of programs


def _measure_traffic(figures: Figures, base: Path, options: argparse.Namespace) -> None:
    with _byte_host(base, direct=True) as bench:
        measured = measure_traffic(
            bench,
            rounds=options.rounds,
            requests=options.requests,
            seconds=options.seconds,
            megabytes=options.download,
            start=_background,
        )
    figures.table(
        ["through a port", *measured[0][1], "remora : ssh -L"],
        [
            [
                f"{load.name} ({load.unit})",
                *(f"{rate:,.0f}" for rate in rates.values()),
                f"{rates['remora forward'] / rates['ssh -L']:.2f} x",
            ]
            for load, rates in measured
        ],
    )
    for load, rates in measured:
        ratio = rates["remora forward"] / rates["ssh -L"]
        figures.goals.append(Goal(f"{load.name}, beside ssh -L (target 1 x)", f"{ratio:.2f} x", ratio >= 1))


# -- breaks and peace


def _measure_breaks(figures: Figures, base: Path, options: argparse.Namespace) -> None:
    with _byte_host(base, direct=False) as bench:
        _measure_reconnect(figures, bench)
        _measure_idle(figures, bench, options.idle)


def _measure_reconnect(figures: Figures, bench: Chain) -> None:
    """From the cut until a message sent right after it has come back, on a client that stayed."""
    taken, logins = [], []
    ssh = ["ssh", "-F", str(bench.ssh_config), ALIAS, "true"]
    with Way("the link", bench.connect().socket).connect(ECHO) as stream:
        for _ in range(10):
            ask(stream, b"steady")
            bench.proxy.strike(CutNow())
            began = time.perf_counter()
            ask(stream, b"again?")
            taken.append(time.perf_counter() - began)
            asyncio.run(bench.live())
            began = time.perf_counter()
            subprocess.run(ssh, check=True, stdin=subprocess.DEVNULL)
            logins.append(time.perf_counter() - began)
            stream.sendall(bytes(_MIB))  # of use to somebody: the next pause starts short again
            take(stream, _MIB)
            time.sleep(1.1)
    figures.table(
        ["", "median", "most"],
        [
            ["from a cut until bytes flow again", f"{statistics.median(taken):.2f} s", f"{max(taken):.2f} s"],
            ["`ssh HOST true`", f"{statistics.median(logins):.2f} s", f"{max(logins):.2f} s"],
        ],
    )
    most = 1.0 + statistics.median(logins)
    figures.goals.append(
        Goal(
            "events again after a cut (target 1 s and a login)", f"{statistics.median(taken):.2f} s", max(taken) < most
        )
    )


def _measure_idle(figures: Figures, bench: Chain, seconds: float) -> None:
    """Bytes over the wire and time of processors while nobody does anything."""
    (relay,) = bench.host_processes().relays
    hub = bench.place.pid
    assert hub is not None  # noqa: S101 - it was asked just now
    time.sleep(2)
    ours = [_cpu(hub), _cpu(relay)]
    before, began = bench.proxy.carried, time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    rate = (bench.proxy.carried - before) / passed
    loads = [100 * (_cpu(pid) - start) / passed for pid, start in zip((hub, relay), ours, strict=True)]
    figures.table(
        [f"idle for {passed:.0f} s", ""],
        [
            ["bytes over the wire, both ways", f"{rate:.0f} B/s"],
            ["processor time of the hub", f"{loads[0]:.3f} %"],
            ["processor time of the relay", f"{loads[1]:.3f} %"],
        ],
    )
    figures.goals.append(Goal("an idle link's bytes (target 200 B/s)", f"{rate:.0f} B/s", rate < 200))
    figures.goals.append(Goal("an idle link's processor time (target 0.1 %)", f"{sum(loads):.3f} %", sum(loads) < 0.1))


# -- until a thread is there


def _measure_thread(figures: Figures, base: Path, options: argparse.Namespace) -> None:
    remora = str(Path(sys.executable).with_name("remora"))
    with ScriptedModel([Say("Done.")]) as model, chain(fetch(CODEX), furnish=model.furnish, base=base) as bench:
        bench.connect()
        os.environ.update(bench.place.environment)
        contestants = [
            Contestant("remora run, on a live link", [remora, "run", f"{ALIAS}:work", "hello", "--json", "--no-input"]),
            Contestant("remora hub status (process start)", [remora, "hub", "status", "--json"]),
        ]
        for round_trip in ROUND_TRIPS:
            breaks = asyncio.run(bench.live()).breaks
            bench.proxy.strike(Delay(round_trip))
            bench.proxy.strike(CutNow())
            asyncio.run(bench.live(breaks=breaks + 1))
            for turn in range(options.rounds + 1):
                for contestant in contestants:
                    seconds = until_thread(contestant.command, time.perf_counter())
                    if turn:
                        contestant.seconds.setdefault(round_trip, []).append(seconds)
    figures.table(
        ["until a thread is there", *(f"{each * 1e3:.0f} ms" for each in ROUND_TRIPS), "round trips"],
        [
            [
                each.name,
                *(f"{each.median(round_trip) * 1e3:.0f} ms" for round_trip in ROUND_TRIPS),
                f"{each.slope():.1f}",
            ]
            for each in contestants
        ],
    )
    trips = contestants[0].slope()
    figures.goals.append(Goal("thread on a live link (target 2 round trips)", f"{trips:.2f}", trips <= 2.2))


# -- many links


def _measure_links(figures: Figures, base: Path, options: argparse.Namespace) -> None:
    rows = []
    for count in options.links:
        with fleet(base, count) as (connect, memory):
            began = time.perf_counter()
            connect()
            seconds = time.perf_counter() - began
            used = memory()
        rows.append([str(count), f"{seconds:.1f} s", f"{used / _MIB:.0f} MiB"])
        if count == LINKS[-1]:
            figures.goals.append(
                Goal("memory of a hub with 100 links (target 150 MB)", f"{used / 1e6:.0f} MB", used < 150e6)
            )
    figures.table(["links", "until all are live", "memory of the hub"], rows)


# -- means


def _background(stack: ExitStack, command: Sequence[str]) -> subprocess.Popen[bytes]:
    process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE))
    stack.callback(process.kill)
    return process


def _first_line(stack: ExitStack, command: Sequence[str]) -> bytes:
    process = _background(stack, command)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    return process.stdout.readline()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    sys.exit(main())
