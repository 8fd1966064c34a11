"""An SSH agent of a test's own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.base.until import wait_until


@contextmanager
def ssh_agent(*keys: Path) -> Iterator[str]:
    """An agent that holds `keys`; its socket."""
    with tempfile.TemporaryDirectory(prefix="a") as folder:
        socket = f"{folder}/agent"
        with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
            try:
                wait_until(Path(socket).exists, what="the agent to listen")
                for key in keys:
                    environment = {**os.environ, "SSH_AUTH_SOCK": socket}
                    subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, capture_output=True)
                yield socket
            finally:
                agent.terminate()
