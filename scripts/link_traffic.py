"""What programs of every day get through `remora forward`, beside ``ssh -L`` and no way at all in the same run."""

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from scripts.link_loads import Load, loads, missing_packages
from tests.support.base.until import wait_until
from tests.support.link.chain import ALIAS, Chain
from tests.support.sshd.system_sshd import free_port

_WAYS: Final = ("no SSH", "remora forward", "ssh -L")
Start = Callable[[ExitStack, Sequence[str]], object]
"""Starts a program that runs until the stack is left."""


def measure_traffic(
    bench: Chain, *, rounds: int, requests: int, seconds: int, megabytes: int, start: Start
) -> list[tuple[Load, dict[str, float]]]:
    """For each load the median rate of each way. The ways take turns, so that what else runs here meets them alike."""
    if missing := missing_packages():
        raise SystemExit(f"scripts/bench link: not measured without these packages of Debian: {', '.join(missing)}")
    with ExitStack() as stack:
        folder = stack.enter_context(_scratch())
        offered = stack.enter_context(loads(folder, requests=requests, seconds=seconds, megabytes=megabytes))
        ways = _open_ways(stack, bench, sorted({load.port for load in offered}), start)
        measured = []
        for load in offered:
            rates: dict[str, list[float]] = {name: [] for name in _WAYS}
            for _ in range(rounds):
                for name in _WAYS:
                    rates[name].append(load.run(ways[name][load.port]))
            measured.append((load, {name: statistics.median(each) for name, each in rates.items()}))
            print(f"measured: {load.name}", file=sys.stderr, flush=True)
        return measured


def _open_ways(stack: ExitStack, bench: Chain, ports: Sequence[int], start: Start) -> dict[str, dict[int, int]]:
    """Where each way has each port of the host."""
    bench.connect()
    ours = {port: bench.place.document("forward", ALIAS, str(port))["forwards"][0]["local_port"] for port in ports}
    theirs = {port: free_port() for port in ports}
    words = [word for port in ports for word in ("-L", f"{theirs[port]}:127.0.0.1:{port}")]
    start(stack, ["ssh", "-F", str(bench.ssh_config), "-N", "-o", "ExitOnForwardFailure=yes", *words, ALIAS])
    wait_until(lambda: all(map(_listens, theirs.values())), what="ssh -L")
    return dict(zip(_WAYS, ({port: port for port in ports}, ours, theirs), strict=True))


def _listens(port: int) -> bool:
    """Whether somebody does, without a connection that would have to be carried."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that the account of the database reaches, too."""
    folder = Path(tempfile.mkdtemp(prefix="remora-bench-", dir="/var/tmp"))
    try:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - to pass through
        yield folder
    finally:
        shutil.rmtree(folder)
