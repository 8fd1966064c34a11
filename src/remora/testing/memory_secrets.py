"""Secrets of this machine, in memory."""

from collections.abc import Sequence

from remora.core.errors import Code, ConfigProblem
from remora.core.secrets import Secret


class MemorySecrets:
    """The in-memory twin of :class:`remora.ports.SecretReader`: whatever is named holds `value`; `None`: nothing does.

    `asked` has all that was named, in order: a variable, a file, or the words of a command.
    """

    def __init__(self, value: str | None) -> None:
        self._value = value
        self.asked: list[str] = []

    async def read(self, *, environment: str | None, file: str | None, command: Sequence[str] | None) -> Secret:
        """See :class:`remora.ports.SecretReader`."""
        name = environment or file or " ".join(command or ())
        self.asked.append(name)
        if self._value is None:
            raise ConfigProblem(Code.SECRET_MISSING, f"{name} holds no secret.", next_step="Put one there.")
        return Secret(self._value.removesuffix("\n"))
