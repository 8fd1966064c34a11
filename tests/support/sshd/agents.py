"""An SSH agent of a test's own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def ssh_agent(*keys: Path) -> Iterator[str]:
    """An agent that holds `keys`; its socket."""
    with tempfile.TemporaryDirectory(prefix="a") as folder:
        socket = f"{folder}/agent"
        with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE) as agent:
            try:
                assert agent.stdout is not None
                agent.stdout.readline()  # it says where it listens once it does; its socket is there a moment before
                for key in keys:
                    environment = {**os.environ, "SSH_AUTH_SOCK": socket}
                    subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, capture_output=True)
                yield socket
            finally:
                agent.terminate()
