"""The account that a session runs in and the machine it is on, as every look at a host learns them."""

from dataclasses import dataclass
from typing import Any, Self

from remora.core.server.answers import Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """An account on a machine. `path` is the PATH of its login shell; `runtime_folder` is on local disk and is where
    our locks, sockets and logs of servers go; `None`: nowhere. `state_folder` holds our marker, records and logs, one
    for each machine even where homes are shared (``~/.local/state/remora/MACHINE``). `here` is that name of the
    machine; what is half written has it in its own name.
    """

    os: str
    architecture: str
    account: str
    user_id: str
    home: str
    login_shell: str
    path: str
    codex_home: str
    runtime_folder: str | None
    state_folder: str = ""
    here: str = ""
    machine_id: str | None = None
    boot_id: str | None = None

    @classmethod
    def read(cls, answers: Answers, **more: Any) -> Self:
        """Facts from the answers of entry.sh and account.sh; what was not answered counts as absent.

        `more` is what a kind of facts has beyond these.
        """

        def text(key: str) -> str:
            return answers.one(key) or ""

        return cls(
            os=text("os"),
            architecture=text("architecture"),
            account=text("entry.account"),
            user_id=text("user"),
            home=text("home"),
            login_shell=text("entry.shell"),
            path=text("path"),
            codex_home=text("codex-home"),
            runtime_folder=text("runtime") or None,
            state_folder=text("state"),
            here=text("here"),
            machine_id=text("machine-id") or None,
            boot_id=text("boot-id") or None,
            **more,
        )
