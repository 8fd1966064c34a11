"""A person who answers by script."""

from collections.abc import Iterable

from remora.core.secrets import Secret
from remora.ports import HostKeyAnswer, HostKeyQuestion, SecretQuestion


class ScriptedPerson:
    """A :class:`remora.ports.Dialogue` that gives prepared answers in order and remembers what it was asked."""

    def __init__(self, *, host_keys: Iterable[HostKeyAnswer] = (), secrets: Iterable[str | None] = ()) -> None:
        self._host_keys = list(host_keys)
        self._secrets = list(secrets)
        self.host_key_questions: list[HostKeyQuestion] = []
        self.secret_questions: list[SecretQuestion] = []

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """See :class:`remora.ports.Dialogue`."""
        self.host_key_questions.append(question)
        return self._host_keys.pop(0)

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """See :class:`remora.ports.Dialogue`."""
        self.secret_questions.append(question)
        answer = self._secrets.pop(0)
        return None if answer is None else Secret(answer)
