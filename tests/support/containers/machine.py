"""The host that is a machine with a kernel of its own: what runs in its container is qemu."""

import shlex
import subprocess
from dataclasses import dataclass

from tests.support.base.until import wait_until
from tests.support.containers.container_host import ContainerHost


@dataclass(frozen=True, slots=True)
class Machine(ContainerHost):
    """As any host; to stop it is to cut its power, and all that needs a folder of the container's is not for it."""

    def exec(
        self,
        *words: str,
        user: str = "root",
        stdin: str = "",
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the machine: through an SSH of root's, which the test's own has no part in."""
        command = f"cd / && exec {shlex.join(['runuser', '--user', user, '--', *words])}"
        return self.engine.call(
            "exec", "--interactive", self.container, "ssh", "machine", command, stdin=stdin, check=check
        )

    def wait_ready(self) -> None:
        """Until it lets root in."""
        wait_until(self._boot, what="the machine")

    def reboot(self) -> None:
        """As who asks for it: services are ended, the kernel starts again."""
        before = self._boot()
        self.exec("systemctl", "reboot", check=False)
        wait_until(lambda: self._boot() not in ("", before), what="the machine after its reboot")

    def _boot(self) -> str:
        """Which boot this is; nothing while nobody gets in."""
        return self.exec("cat", "/proc/sys/kernel/random/boot_id", check=False).stdout.strip()
