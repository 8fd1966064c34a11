"""A value that must never be seen."""

import re
from typing import Final

MASK: Final = "••••••"
_ACCESS: Final = re.compile(
    r"\b((?:https?|ftps?)://)[^/@\s'\"]+@|\b([A-Za-z][A-Za-z0-9+.-]*://[^/@:\s'\"]*:)[^/@\s'\"]+@"
)


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


def hide_in_addresses(text: str) -> str:
    """`text` with a mask for what gives access in addresses: passwords, and on the web all before the ``@``."""
    return _ACCESS.sub(lambda found: f"{found[1] or found[2]}{MASK}@", text)
