"""What only a person can decide or type."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from remora.core.approval.request import ApprovalRequest, Decision
from remora.core.secrets import Secret
from remora.core.trust.repository import Repository
from remora.core.trust.verdict import TrustRecord


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

    async def decide(self, request: ApprovalRequest) -> Decision | None:
        """Choose among `request.choices` (:meth:`ApprovalRequest.decision`); `None`: somebody else has to decide.

        May be cancelled when the request is answered elsewhere.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustQuestion:
    """A repository would bring something into the thread that only trust puts in force."""

    alias: str
    folder: str
    repository: Repository
    digest: str
    changed: bool
    """True when it was answered before, for other content."""


class TrustHandler(Protocol):
    """Decides whether what a repository brings is put in force. There is no default that says yes."""

    async def trust_repository(self, question: TrustQuestion) -> bool | None:
        """True puts it in force for exactly this content, false does not; `None`: nobody is there to say."""
        ...


class TrustMemory(Protocol):
    """What this machine remembers of answers about repositories."""

    def knows(self, folder: str) -> bool:
        """Whether anything is remembered of a folder at this path, or below it or above it, of whatever machine."""
        ...

    def recall(self, machine: str, folder: str) -> TrustRecord | None:
        """What is remembered of one folder of one machine."""
        ...

    def expected(self, machine: str, folder: str) -> str | None:
        """The hash that a manifest named for a project in exactly that folder."""
        ...

    def expects(self, machine: str, folder: str, digest: str) -> bool:
        """Whether a manifest named this hash for a project in that folder or above it."""
        ...

    def expect(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Keep what a manifest names, in the place of an earlier one."""
        ...

    def remember(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Keep `record` in the place of what was remembered; does nothing where no state can be kept."""
        ...
