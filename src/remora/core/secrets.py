"""A value that must never be seen."""

from typing import Final

MASK: Final = "••••••"


class Secret:
    """A passphrase, password or token. Printing, formatting or logging it shows a mask.

    Call :meth:`reveal` at the last moment, where the value leaves for its one destination.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return MASK

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")
