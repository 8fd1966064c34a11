"""What only a person can decide or type."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from remora.core.approvals import ApprovalRequest, Decision
from remora.core.secrets import Secret


class HostKeyAnswer(Enum):
    """What a person says to an unknown host key."""

    REFUSE = "refuse"
    ONCE = "once"
    RECORD = "record"
    """Trust it and add it to the user's known hosts file: the person asked for that change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeyQuestion:
    """A host showed a key that no known hosts file has."""

    alias: str
    hostname: str
    port: int
    key_type: str
    fingerprint: str
    known_hosts_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretQuestion:
    """Something that only a person can type: a passphrase, password or code. `prompt` may be remote text."""

    alias: str
    prompt: str
    echo: bool = False


class Dialogue(Protocol):
    """How the library asks a person while connecting. It never asks the terminal itself."""

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """Ask whether an unknown key may be trusted.

        Raises :class:`~remora.core.errors.NeedsPerson` when nobody may answer.
        """
        ...

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """Ask for a secret; `None` when the person declines.

        Raises :class:`~remora.core.errors.NeedsPerson` when nobody may answer.
        """
        ...


class ApprovalHandler(Protocol):
    """Decides what the agent asks. There is no default that says yes."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Choose among `request.choices`. May be cancelled when the request is answered elsewhere."""
        ...
