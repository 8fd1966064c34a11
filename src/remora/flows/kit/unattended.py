"""What happens when there is nobody to ask: questions are refused, and say what they were."""

from remora.core.errors import Code, NeedsPerson, Stage
from remora.core.secrets import Secret
from remora.core.trust.verdict import TrustRecord
from remora.ports import HostKeyAnswer, HostKeyQuestion, SecretQuestion, TrustQuestion


class UnattendedTrust:
    """A :class:`~remora.ports.TrustHandler` where nobody may answer."""

    async def trust_repository(self, question: TrustQuestion) -> bool | None:
        """Nobody says anything: what the repository brings is not put in force."""
        return None


class NoTrustMemory:
    """A :class:`~remora.ports.TrustMemory` that remembers nothing."""

    def knows(self, folder: str) -> bool:
        """Nothing."""
        return False

    def recall(self, machine: str, folder: str) -> TrustRecord | None:
        """Nothing."""
        return None

    def expected(self, machine: str, folder: str) -> str | None:
        """Nothing."""
        return None

    def expects(self, machine: str, folder: str, digest: str) -> bool:
        """Nothing."""
        return False

    def expect(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Forgets."""

    def remember(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Forgets."""


class UnattendedDialogue:
    """A :class:`~remora.ports.Dialogue` where nobody may answer: it says what was asked."""

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """Raises :class:`NeedsPerson` with the fingerprint."""
        raise NeedsPerson(
            Code.PROMPT_UNATTENDED,
            f"The key of {question.hostname} port {question.port} is not known, and this command cannot ask (no "
            "terminal, or --no-input).",
            seen=f"{question.key_type} {question.fingerprint}",
            next_step=f"Compare the fingerprint, then accept it on a terminal with: remora check {question.alias}",
            host=question.alias,
            stage=Stage.HOST_KEY,
        )

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """Raises :class:`NeedsPerson` with the prompt."""
        raise NeedsPerson(
            Code.PROMPT_UNATTENDED,
            f"{question.alias} asks for a password or code, but this command cannot ask (no terminal, or --no-input).",
            seen=question.prompt,
            next_step="Run it on a terminal, or load the key into ssh-agent first.",
            host=question.alias,
        )
