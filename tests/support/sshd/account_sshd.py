"""A real sshd whose account has another login shell and home in the password database, as a real account would."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.base.required import missing, need_mounts
from tests.support.sshd.system_sshd import SystemSshd

ORDINARY_ID = 54321


class AccountSshd(SystemSshd):
    """`login_shell` and a scratch home stand in ``/etc/passwd`` as this server sees it: a copy, mounted in a
    namespace of its own. So sshd itself starts the shell, and ``getent`` says the same. Needs root.

    The paths are short, as homes are, so that sockets fit. With `ordinary` the account is not root but one that
    exists here only: sshd signals the processes of such accounts, those of root never. `hidden` programs are not there,
    and `sh` is what ``/bin/sh`` is there. `files` have another content there, and `programs` are other ones: scripts,
    which find the real ones in the folder `$gnu`. Without `processes` there is no ``/proc``. Without `network` the host
    has nothing but its own loopback, and :meth:`ssh_config` leads into it.
    """

    def __init__(
        self,
        login_shell: str,
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        ordinary: bool = False,
        home: str = "h",
        hidden: Sequence[str] = (),
        sh: str | None = None,
        network: bool = True,
        files: Mapping[str, str] | None = None,
        programs: Mapping[str, str] | None = None,
        processes: bool = True,
    ) -> None:
        need_mounts()
        self._scratch = Path(tempfile.mkdtemp(prefix="s", dir="/tmp" if ordinary else None))
        super().__init__(self._scratch, options=options, environment=environment)
        self.home = self._scratch / home
        self.home.mkdir(parents=True)
        self.runtime = self._scratch / "run"
        self.runtime.mkdir(mode=0o700)
        self._environment.setdefault("XDG_RUNTIME_DIR", str(self.runtime))
        accounts = Path("/etc/passwd").read_text()
        if ordinary:
            self.user = "remora-test"
            accounts += f"{self.user}:x:{ORDINARY_ID}:{ORDINARY_ID}::{self.home}:{login_shell}\n"
            self._scratch.chmod(0o755)
            for folder in (self.home, self.runtime):
                os.chown(folder, ORDINARY_ID, ORDINARY_ID)
        else:
            accounts = re.sub(r"(?m)^(root:[^:]*:0:0:[^:]*:).*$", rf"\g<1>{self.home}:{login_shell}", accounts)
        passwd = self._scratch / "passwd"
        passwd.write_text(accounts)
        mounts = [f"mount --bind {passwd} /etc/passwd", *self._replace(programs or {})]
        mounts += [f"mount --bind /dev/null {place}" for place in hidden]
        if sh is not None:
            mounts.append(f"mount --bind {sh} {os.path.realpath('/bin/sh')}")
        for number, (path, content) in enumerate((files or {}).items()):
            other = self._scratch / f"file{number}"
            other.write_text(content)
            other.chmod(0o644)
            mounts.append(f"mount --bind {other} {path}")
        if not network:
            mounts.append("ip link set lo up")
        if not processes:
            mounts.append("mount -t tmpfs -o mode=555 none /proc")
        self._network = network
        program = self._scratch / "sshd"
        apart = "-m" if network else "-m -n"
        program.write_text(
            f'#!/bin/sh\nexec unshare {apart} sh -c \'{" && ".join(mounts)} && exec {self._program} "$@"\' sshd "$@"\n'
        )
        program.chmod(0o755)
        self._program = str(program)

    def ssh_config(self, alias: str = "devbox", *, extra: Sequence[str] = ()) -> str:
        """See :class:`SystemSshd`."""
        if not self._network:
            inside = " ".join(self.inside("bash", "-c"))
            extra = [*extra, f"ProxyCommand {inside} 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3'"]
        return super().ssh_config(alias, extra=extra)

    def inside(self, *words: str) -> list[str]:
        """The words that run a program where this host's network is."""
        assert self._process is not None
        return ["nsenter", "-t", str(self._process.pid), "-n", *words]

    def _replace(self, programs: Mapping[str, str]) -> Iterator[str]:
        """Lay out the scripts and what they find, and give the mounts that put them in place."""
        gnu = self._scratch / "gnu"
        gnu.mkdir(exist_ok=True)
        for name in {*programs, "dash", "unshare"} if programs else ():
            shutil.copy(shutil.which(name) or missing(f"{name} is not installed"), gnu / name)
        for name, text in programs.items():
            script = self._scratch / f"program-{name}"
            script.write_text(f"#!{gnu}/dash\ngnu={gnu}\n{text}")
            script.chmod(0o755)
            yield f"mount --bind {script} {os.path.realpath(shutil.which(name) or name)}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        shutil.rmtree(self._scratch)
