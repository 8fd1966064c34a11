"""Many hosts for one hub, which `scripts/bench link` connects to."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.codex.fake_codex import Fault, install
from tests.support.link.chain import end_servers
from tests.support.link.hubs import hub_place
from tests.support.sshd.system_sshd import SystemSshd

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@contextmanager
def fleet(base: Path, count: int) -> Iterator[tuple[Callable[[], None], Callable[[], int]]]:
    """So many hosts: names of one sshd, each with a codex home of its own, told by what the client says it is called.

    Gives what connects to all of them, and what tells the bytes of memory that the hub then has.
    """
    folder = Path(tempfile.mkdtemp(prefix="f-", dir=base))
    try:
        aliases = [f"host{number}" for number in range(count)]
        with SystemSshd(folder, options=["AcceptEnv LC_HOST"]) as sshd:
            fake = install(folder / "programs/codex", Fault.PLAIN_BYTES)
            for name in (".bashrc", ".profile"):
                (sshd.home / name).write_text(
                    f'PATH="{fake.parent}:$PATH"\nCODEX_HOME="$HOME/$LC_HOST"\nexport PATH CODEX_HOME\n'
                )
            for alias in aliases:
                (sshd.home / alias).mkdir(mode=0o700)
            config = folder / "config"
            config.write_text("".join(sshd.ssh_config(alias, extra=[f"SetEnv LC_HOST={alias}"]) for alias in aliases))
            with hub_place(REMORA_SSH_CONFIG=str(config), XDG_CONFIG_HOME=str(folder)) as place:

                def connect() -> None:
                    answer = place.document("connect", *aliases)
                    wrong = [host for host in answer["hosts"] if not host["ok"]]
                    held = len(place.document("status")["links"])
                    if wrong or held != count:
                        raise SystemExit(f"{held} links of {count}: {wrong[:1]}")

                def memory() -> int:
                    statm = Path(f"/proc/{place.pid}/statm").read_text().split()
                    return int(statm[1]) * _PAGE

                yield connect, memory
            end_servers(sshd)
    finally:
        shutil.rmtree(folder)
