"""What `scripts/bench link` sends through forwarded ports: programs that everybody has, and servers for them.

``ab`` makes a new connection for each request, ``pgbench`` many small messages, ``h2load`` many streams in few
connections. All servers stand on the host's loopback, and are reached through each way in turn.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.base.until import wait_until
from tests.support.sshd.system_sshd import free_port

_PROGRAMS: Final = {"ab": "apache2-utils", "pgbench": "postgresql", "initdb": "postgresql", "h2load": "nghttp2-client"}
_SERVER: Final = {"nginx": "nginx-light"}
_PAGE: Final = 512
_LIMIT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Load:
    """Something to send through a port of this machine that leads to `port` of the host; `run` gives a rate."""

    name: str
    port: int
    unit: str
    run: Callable[[int], float]
    """Raises :class:`SystemExit` when not all of it went through."""


def missing_packages() -> list[str]:
    """Packages of Debian without which nothing can be measured here."""
    return sorted({package for name, package in {**_PROGRAMS, **_SERVER}.items() if _program(name) is None})


@contextmanager
def loads(folder: Path, *, requests: int, seconds: int, megabytes: int) -> Iterator[list[Load]]:
    """Servers that run until left, and what to send to them."""
    with ExitStack() as stack:
        web, fast, data = free_port(), free_port(), free_port()
        _start_nginx(stack, folder / "web", web, fast, megabytes)
        _start_postgres(stack, folder / "data", data)
        yield [
            Load("ab -c 1", web, "connections/s", partial(_ab, crowd=1, requests=max(requests // 30, 1))),
            Load("ab -c 50", web, "connections/s", partial(_ab, crowd=50, requests=requests)),
            Load("ab -c 500", web, "connections/s", partial(_ab, crowd=500, requests=requests)),
            Load("pgbench -S -c 8", data, "transactions/s", lambda port: _pgbench(port, seconds)),
            Load("h2load -c 4 -m 32", fast, "requests/s", lambda port: _h2load(port, 10 * requests)),
            Load(f"{megabytes} MiB", web, "MB/s", lambda port: _download(port, megabytes)),
        ]


def _ab(port: int, *, crowd: int, requests: int) -> float:
    words = ["-q", "-r", "-s", "60", "-n", str(requests), "-c", str(crowd), f"http://127.0.0.1:{port}/page"]
    said = _run("ab", words)
    failed = re.search(r"Failed requests: +(\d+)", said)
    if failed is None or int(failed[1]):
        raise SystemExit(f"ab: requests failed\n{said}")
    return _figure(r"Requests per second: +([\d.]+)", said)


def _pgbench(port: int, seconds: int) -> float:
    words = ["-n", "-S", "-c", "8", "-j", "1", "-T", str(seconds), "-h", "127.0.0.1", "-p", str(port), "-U", "bench"]
    return _figure(r"tps = ([\d.]+)", _run("pgbench", [*words, "postgres"]))


def _h2load(port: int, requests: int) -> float:
    said = _run("h2load", ["-n", str(requests), "-c", "4", "-m", "32", f"http://127.0.0.1:{port}/page"])
    if f"{requests} succeeded" not in said:
        raise SystemExit(f"h2load: requests failed\n{said}")
    return _figure(r"finished in .*?, ([\d.]+) req/s", said)


def _download(port: int, megabytes: int) -> float:
    began = time.perf_counter()
    words = ["-sS", "-o", "/dev/null", "-w", "%{size_download}", f"http://127.0.0.1:{port}/large"]
    size = int(_run("curl", words))
    if size != megabytes * 2**20:
        raise SystemExit(f"curl: {size} bytes came")
    return size / 1e6 / (time.perf_counter() - began)


def _start_nginx(stack: ExitStack, folder: Path, web: int, fast: int, megabytes: int) -> None:
    (folder / "www").mkdir(parents=True)
    (folder / "www/page").write_bytes(b"x" * _PAGE)
    with (folder / "www/large").open("wb") as large:
        large.truncate(megabytes * 2**20)
    config = folder / "nginx.conf"
    user = pwd.getpwuid(os.getuid()).pw_name
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;\n"
        f"{f'user {user};' * (user == 'root')}\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 1000000;\n"
        f" client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"server {{ listen 127.0.0.1:{web} backlog=4096; root {folder}/www; }}\n"
        f"server {{ listen 127.0.0.1:{fast} http2; root {folder}/www; }} }}\n"
    )
    _serve(stack, [_need("nginx"), "-e", str(folder / "log"), "-c", str(config)])
    wait_until(lambda: _answers(web), what="nginx")


def _start_postgres(stack: ExitStack, folder: Path, port: int) -> None:
    """Postgres does not run as root: there the account `postgres` of its package has it."""
    folder.mkdir(parents=True)
    account = "postgres" if os.getuid() == 0 else None
    if account is not None:
        shutil.chown(folder, account)
    words = ["-D", str(folder / "db"), "-A", "trust", "-U", "bench", "--no-sync"]
    subprocess.run(
        [_need("initdb"), *words], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, user=account
    )
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    more = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    _serve(stack, [_need("postgres"), "-D", str(folder / "db"), *more], user=account)
    words = ["-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", str(port), "-U", "bench", "postgres"]
    wait_until(lambda: _answers(port), what="postgres")
    wait_until(
        lambda: subprocess.run([_need("pgbench"), *words], capture_output=True).returncode == 0, what="pgbench -i"
    )


def _serve(stack: ExitStack, command: Sequence[str], user: str | None = None) -> None:
    nothing = subprocess.DEVNULL
    process = stack.enter_context(subprocess.Popen(command, user=user, stdin=nothing, stdout=nothing, stderr=nothing))
    stack.callback(process.terminate)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _run(name: str, words: Sequence[str]) -> str:
    done = subprocess.run(
        [_need(name), *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout.decode(errors="replace")


def _figure(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    if found is None:
        raise SystemExit(f"no figure in: {said}")
    return float(found[1])


def _need(name: str) -> str:
    found = _program(name)
    if found is None:
        raise SystemExit(f"{name} is not installed")
    return found


def _program(name: str) -> str | None:
    """Debian keeps the programs of a database outside the PATH."""
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", ""), "/usr/sbin"]))
