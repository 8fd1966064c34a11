"""A real sshd whose account has another login shell and home in the password database, as a real account would."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.required import missing
from tests.support.system_sshd import SystemSshd


class AccountSshd(SystemSshd):
    """`login_shell` and the scratch home stand in ``/etc/passwd`` as this server sees it: a copy, mounted in a
    namespace of its own. So sshd itself starts the shell, and ``getent`` says the same. Needs root.
    """

    def __init__(
        self,
        folder: Path,
        login_shell: str,
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
            missing("only root in a machine with mount namespaces can change a login shell for a test")
        super().__init__(folder, options=options, environment=environment)
        self.runtime = self.folder / "run"
        self.runtime.mkdir(mode=0o700)
        self._environment.setdefault("XDG_RUNTIME_DIR", str(self.runtime))
        passwd = self.folder / "passwd"
        line = rf"\g<1>{self.home}:{login_shell}"
        passwd.write_text(re.sub(r"(?m)^(root:[^:]*:0:0:[^:]*:).*$", line, Path("/etc/passwd").read_text()))
        program = self.folder / "sshd"
        program.write_text(
            "#!/bin/sh\n"
            f'exec unshare -m sh -c \'mount --bind {passwd} /etc/passwd && exec {self._program} "$@"\' sshd "$@"\n'
        )
        program.chmod(0o755)
        self._program = str(program)
