"""What runs on a host, as a test sees it."""

from contextlib import suppress
from pathlib import Path

from tests.support.sshd.account_sshd import AccountSshd


def servers(sshd: AccountSshd) -> list[int]:
    """The app servers that run on the host."""
    return [pid for pid in sshd.session_processes() if "--listen" in command_of(pid)]


def command_of(pid: int) -> str:
    """Its words; nothing when it has gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def parent_of(pid: int) -> int:
    """Whose child it is; 0 when it has gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
