"""One container that tests log in to, and the accounts that tests have on it."""

import contextlib
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
from tests.support.codex.binaries import codex_binary
from tests.support.containers.engine import Engine

SHELLS: Final = {"bash": "/bin/bash", "zsh": "/usr/bin/zsh", "fish": "/usr/bin/fish"}
_PATH_LINES: Final = {
    "bash": (".profile", 'PATH="$HOME/.local/bin:$PATH"'),
    "zsh": (".zshenv", 'path=("$HOME/.local/bin" $path)'),
    "fish": (".config/fish/config.fish", "set -gx PATH $HOME/.local/bin $PATH"),
}
_KEY: Final = "/etc/ssh/ssh_host_ed25519_key.pub"
_LISTENS: Final = (
    "i=0; until (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null; do sleep 0.05; i=$((i+1)); [ $i -lt 400 ] || exit 1; done"
)
UNTIL_READY: Final = ("bash", "-c", f"{_LISTENS}; cat {_KEY}")
"""Waits until sshd listens and prints the host key, run inside."""


@dataclass(frozen=True, slots=True)
class ContainerHost:
    """One container: `name` is its service in compose.yaml, its alias and its host name.

    `port` is the one on 127.0.0.1, None for a host that is reached through the bastion only. What the methods do to
    the host, every test on it feels: take it alone (:meth:`ContainerHosts.visit`) for all but :meth:`exec`.
    """

    engine: Engine
    container: str
    name: str
    port: int | None
    host_key: str

    def exec(
        self,
        *words: str,
        user: str = "root",
        stdin: str = "",
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, not through SSH."""
        return self.engine.call(
            "exec", "--interactive", "--user", user, self.container, *words, stdin=stdin, check=check
        )

    def packets_out(self) -> int:
        """How many packets have tried to leave `offline` since it started, other than answers; none did leave."""
        said = self.exec("nft", "list", "counter", "inet", "remora_egress", "tried").stdout.split()
        return int(said[said.index("packets") + 1])

    @contextlib.contextmanager
    def fill_disk(self, *, leave: int = 0) -> Iterator[None]:
        """Inside the block all but `leave` bytes of the file system with the homes are taken (`tiny`)."""
        script = 'free=$(df --output=avail -B1 /home | tail -n 1); head -c "$((free - $1))" /dev/zero >/home/.full'
        self.exec("sh", "-c", script, "sh", str(leave), check=False)
        try:
            yield
        finally:
            self.exec("rm", "-f", "/home/.full")

    @contextlib.contextmanager
    def fill_inodes(self, *, leave: int = 0) -> Iterator[None]:
        """Inside the block all but `leave` more files can be made where the homes are (`crowded`)."""
        script = (
            'mkdir -p /home/.many; free=$(df --output=iavail /home | tail -n 1); cd /home/.many; n="$((free - $1))"'
        )
        self.exec("sh", "-c", f'{script}; [ "$n" -lt 1 ] || seq "$n" | xargs touch', "sh", str(leave))
        try:
            yield
        finally:
            self.exec("rm", "-rf", "/home/.many")

    def stop(self) -> None:
        """As when the power fails a moment after a shutdown: everything inside has ended."""
        self.engine.call("stop", "--time", "5", self.container)

    def start(self) -> None:
        """Again after :meth:`stop`: same accounts, keys and port; homes in memory (`tiny`, `crowded`) are new."""
        self.engine.call("start", self.container)
        self.wait_ready()

    def reboot(self) -> None:
        """Stop and start; where systemd runs (`booted`) the boot id is another one too."""
        self.stop()
        self.start()

    def wait_ready(self) -> None:
        """Until sshd listens."""
        self.exec(*UNTIL_READY)

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Inside the block no packet comes in or goes out, and nobody is told; connections stand half-open.

        Not on `strict`, whose root may not do that.
        """
        self.exec("cut-off")
        try:
            yield
        finally:
            self.exec("cut-off", "heal")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of a host that belongs to one test: ``ssh -F ssh_config ALIAS`` logs in."""

    host: ContainerHost
    name: str
    number: int
    shell: str
    ssh_config: Path

    @property
    def alias(self) -> str:
        """What to tell remora, together with `ssh_config`: the host's name."""
        return self.host.name

    @property
    def home(self) -> str:
        """The home as the user sees it."""
        return f"/home/{self.name}"

    def exec(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as this user with its HOME, not through SSH and no shell's start-up files."""
        return self.host.exec("env", f"HOME={self.home}", *words, user=self.name, stdin=stdin, check=check)

    def write(self, path: str, text: str) -> None:
        """A file of the user's, below the home unless absolute; also where the user may not write (`readonly`)."""
        place = path if path.startswith("/") else f"{self._writable_home}/{path}"
        script = (
            'p=$1; d=$(dirname "$p"); while [ ! -d "$d" ]; do n="$d ${n:-}"; d=$(dirname "$d"); done;'
            ' for f in ${n:-}; do mkdir "$f"; chown "$2:$2" "$f"; done; cat >"$p"; chown "$2:$2" "$p"'
        )
        self.host.exec("sh", "-c", script, "sh", place, str(self.number), stdin=text)

    def read(self, path: str) -> str:
        """The text of a file of the user's, below the home unless absolute."""
        return self.host.exec("cat", path if path.startswith("/") else f"{self.home}/{path}").stdout

    def files(self) -> list[str]:
        """Every path below the home, relative to it."""
        return sorted(self.host.exec("find", self.home, "-mindepth", "1", "-printf", "%P\n").stdout.splitlines())

    def processes(self) -> list[str]:
        """The command lines of all that runs as this user now, but sshd's."""
        said = self.host.exec("ps", "-u", self.name, "-o", "args=", check=False).stdout
        return [line for line in said.splitlines() if line.strip() and not line.startswith("sshd")]

    def install_codex(self, version: str) -> str:
        """Make a real codex visible in the login shell by a link in ~/.local/bin; the link's path."""
        cache = Path(platformdirs.user_cache_dir("remora")) / "codex"
        program = Path("/opt/codex") / codex_binary(version).relative_to(cache)
        link = f"{self.home}/.local/bin/codex"
        self.write(".local/bin/.keep", "")
        rc, line = _PATH_LINES[self.shell]
        text = self.host.exec("cat", f"{self.home}/{rc}", check=False).stdout
        self.write(rc, f"{text}\n{line}\n")
        self.host.exec("ln", "-sf", str(program), f"{self._writable_home}/.local/bin/codex")
        return link

    @property
    def _writable_home(self) -> str:
        return f"/srv/homes/{self.name}" if self.host.name == "readonly" else self.home


def forget_account(host: ContainerHost, name: str) -> None:
    """The account, its processes and its home are gone afterwards."""
    host.exec("account", "--remove", shlex.quote(name))
