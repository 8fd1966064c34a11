"""Questions go to whoever is there to answer, for as long as somebody is."""

from collections.abc import Iterator
from contextlib import contextmanager

from remora.core.secrets import Secret
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import Dialogue, HostKeyAnswer, HostKeyQuestion, SecretQuestion


class LentDialogue:
    """A :class:`~remora.ports.Dialogue` that passes questions to the one lent last, else refuses them."""

    def __init__(self) -> None:
        self._lenders: list[Dialogue] = []

    @contextmanager
    def lent(self, dialogue: Dialogue) -> Iterator[None]:
        """Ask `dialogue` meanwhile."""
        self._lenders.append(dialogue)
        try:
            yield
        finally:
            self._lenders = [other for other in self._lenders if other is not dialogue]

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """See :class:`remora.ports.Dialogue`."""
        return await self._present().accept_host_key(question)

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """See :class:`remora.ports.Dialogue`."""
        return await self._present().secret(question)

    def _present(self) -> Dialogue:
        return self._lenders[-1] if self._lenders else UnattendedDialogue()
