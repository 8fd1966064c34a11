"""The machine's real sshd on a loopback port, with keys, configuration, home and log of its own."""

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.base.required import missing

from remora.core.host.hosts import Host, Route

_TAG = "REMORA_SYSTEM_SSHD"
_READY_LIMIT = 10.0
_STOP_LIMIT = 10.0
_PORT_TRIES = 10
_PROC = Path("/proc")


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair at `path` and `path`.pub."""
    path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public_key(path: Path) -> str:
    """The public half as ``TYPE BASE64``, without the comment."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


class SystemSshd:
    """A context manager: sshd listens inside, and nothing it started is left outside.

    `options` are lines for its sshd_config. `shell` makes another program the login shell: every command goes to it
    with ``-c``, as sshd itself would do. The account is the one that runs the tests; its home is `home`, so its own rc
    files are not read, and its sessions have a runtime folder of their own, unless `environment` names one.
    `identity` may log in, and `known_hosts` knows the host key. `program` is another sshd than the machine's own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str] = (),
        shell: str | None = None,
        environment: Mapping[str, str] | None = None,
        host_key_kinds: Sequence[str] = ("ed25519",),
        program: str | None = None,
    ) -> None:
        found = program or shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found is None:
            missing("sshd is not installed (Debian: openssh-server)")
        self._program = found
        self._options = tuple(options)
        self._shell = shell
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._tag = uuid.uuid4().hex
        self._earlier_log = ""
        self.folder = folder / f"sshd-{self._tag[:8]}"
        self.home = self.folder / "home"
        self.user = getpass.getuser()
        self.port = 0
        self.home.mkdir(parents=True)
        self.host_keys = [make_key(self.folder / f"host_{kind}", kind=kind) for kind in host_key_kinds]
        self.identity = make_key(self.folder / "identity")
        self.authorized_keys = self.folder / "authorized_keys"
        self.authorized_keys.write_text(f"{public_key(self.identity)}\n")
        self.known_hosts = self.folder / "known_hosts"
        self._log = self.folder / "log"

    def __enter__(self) -> Self:
        # However long the name of the scratch folder is: else sessions would use the folder of this machine's account.
        self._short = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
        self._environment.setdefault("XDG_RUNTIME_DIR", str(self._short))
        self.start()
        self.write_known_hosts()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._short, ignore_errors=True)

    @property
    def runtime_folder(self) -> Path:
        """What sessions have as XDG_RUNTIME_DIR."""
        return Path(self._environment["XDG_RUNTIME_DIR"])

    def start(self) -> None:
        """Listen: on the port of before if there is one, else on a free port."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(_PORT_TRIES):
            port = self.port or free_port()
            if self._listens(port):
                self.port = port
                return
        raise AssertionError(f"sshd does not start:\n{self.log_text()}")

    def stop(self) -> None:
        """End sshd and every process of its sessions, also those that detached."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_LIMIT)
            self._process = None
        self._earlier_log = self.log_text()
        self._log.unlink(missing_ok=True)
        deadline = time.monotonic() + _STOP_LIMIT
        while processes := self.session_processes():
            assert time.monotonic() < deadline, f"processes of sshd sessions stay: {processes}"
            _kill(processes)
            time.sleep(0.01)

    def restart(self, *, host_keys: Sequence[Path] | None = None) -> None:
        """Stop and listen again on the same port, perhaps with other host keys; known_hosts stays as it is."""
        self.stop()
        self.host_keys = list(host_keys or self.host_keys)
        self.start()

    def bounce(self) -> None:
        """As a restart of the service: connections end, what sessions have detached lives on, it listens again."""
        self.end_listening()
        self.start()

    def end_listening(self) -> None:
        """The listener and every connection end; what sessions have detached lives on. :meth:`start` listens again."""
        connections = self.connection_processes()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_LIMIT)
            self._process = None
        _kill(connections)
        deadline = time.monotonic() + _STOP_LIMIT
        while any(_name(process) for process in connections):
            assert time.monotonic() < deadline, f"processes of connections stay: {connections}"
            time.sleep(0.01)
        self._earlier_log = self.log_text()
        self._log.unlink(missing_ok=True)

    def drop_connections(self) -> None:
        """Kill what serves the connections of now; whoever connects again is let in."""
        _kill(self.connection_processes())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The processes of the connections of now do nothing inside the block: half-open without a packet lost."""
        stopped = self.connection_processes()
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def write_known_hosts(self) -> None:
        """Make `known_hosts` hold exactly the current host keys."""
        names = f"[127.0.0.1]:{self.port}"
        self.known_hosts.write_text("".join(f"{names} {public_key(key)}\n" for key in self.host_keys))

    def host(self, alias: str = "devbox", **changes: object) -> Host:
        """What ``ssh -G`` would say about this server; `changes` replace fields."""
        fields: dict[str, object] = {
            "alias": alias,
            "hostname": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "identity_files": (str(self.identity),),
            "user_known_hosts": (str(self.known_hosts),),
            "options": {},
        }
        return Host(**{**fields, **changes})  # type: ignore[arg-type]

    def route(self, alias: str = "devbox", **changes: object) -> Route:
        """The direct way to this server."""
        return Route(self.host(alias, **changes))

    def ssh_config(self, alias: str = "devbox", *, extra: Sequence[str] = ()) -> str:
        """A ``Host`` block for this server; `extra` lines come first, so they win."""
        lines = [
            *extra,
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {self.user}",
            f"IdentityFile {self.identity}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.known_hosts}",
            "GlobalKnownHostsFile /dev/null",
        ]
        return f"Host {alias}\n" + "".join(f"  {line}\n" for line in lines)

    def log_text(self) -> str:
        """All that sshd has logged."""
        current = self._log.read_text(errors="replace") if self._log.exists() else ""
        return self._earlier_log + current

    def accepted_logins(self) -> int:
        """How many logins sshd has let in."""
        return len(re.findall(r"^Accepted \S+ for ", self.log_text(), re.MULTILINE))

    def connections(self) -> int:
        """How many TCP connections sshd has seen."""
        return sum("Connection from " in line for line in self.log_text().splitlines())

    def named_logins(self) -> int:
        """How many connections told sshd a user name, let in or not; read when all connections have ended."""
        deadline = time.monotonic() + _STOP_LIMIT
        while self.connection_processes():
            assert time.monotonic() < deadline, "a connection is still open"
            time.sleep(0.01)
        return self.accepted_logins() + self.log_text().count("by authenticating user")

    def connection_processes(self) -> list[int]:
        """The sshd processes that serve connections now."""
        if self._process is None:
            return []
        parents = dict(_parents())
        main = self._process.pid
        return sorted(pid for pid in parents if _descends(pid, main, parents) and _name(pid).startswith("sshd"))

    def session_processes(self) -> list[int]:
        """All processes that sessions have started and that still run, however detached."""
        return sorted(pid for pid, _ in _parents() if self._is_tagged(pid))

    def session_commands(self) -> list[str]:
        """The same, as what a person can read."""
        return [f"{pid} {_command(pid)}" for pid in self.session_processes()]

    def _listens(self, port: int) -> bool:
        config = self.folder / "sshd_config"
        config.write_text("".join(f"{line}\n" for line in self._config(port)))
        self._process = subprocess.Popen(
            [self._program, "-D", "-f", str(config), "-E", str(self._log)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _READY_LIMIT
        while time.monotonic() < deadline:
            if "Server listening on" in self.log_text().removeprefix(self._earlier_log):
                return True
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self._process.kill()
        self._process.wait(_STOP_LIMIT)
        self._process = None
        return False

    def _config(self, port: int) -> Iterator[str]:
        yield from self._options  # the first value of an option wins
        yield f"Port {port}"
        yield "ListenAddress 127.0.0.1"
        yield from (f"HostKey {key}" for key in self.host_keys)
        yield f"AuthorizedKeysFile {self.authorized_keys}"
        yield f"PidFile {self.folder / 'pid'}"
        yield from ("StrictModes no", "UsePAM no", "PermitRootLogin yes", "LogLevel VERBOSE", "UseDNS no")
        yield from ("PasswordAuthentication no", "KbdInteractiveAuthentication no", "PrintMotd no")
        if not any(line.startswith("MaxStartups") for line in self._options):  # here the last value wins
            yield "MaxStartups 100"
        environment = {"HOME": str(self.home), _TAG: self._tag, **self._environment}
        if self._shell is not None:
            environment["SHELL"] = self._shell
            yield f'ForceCommand exec {self._shell} -c "$SSH_ORIGINAL_COMMAND"'
        yield "SetEnv " + " ".join(f'"{name}={value}"' for name, value in environment.items())

    def _is_tagged(self, pid: int) -> bool:
        try:
            return f"{_TAG}={self._tag}".encode() in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            return False


def free_port() -> int:
    """A port that nobody listens at for now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kill(processes: Sequence[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _parents() -> Iterator[tuple[int, int]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def _descends(pid: int, ancestor: int, parents: Mapping[int, int]) -> bool:
    pid = parents.get(pid, 0)
    while pid and pid != ancestor:
        pid = parents.get(pid, 0)
    return pid == ancestor


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:300]
    return ""


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""
