"""Text for /bin/sh on the host: our scripts with their variables, so that any input to them stays data."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

_SACRIFICED_LINES: Final = 8


def opening_lines() -> str:
    """The first lines of a conversation: assignments that a start-up file may swallow without harm.

    entry.sh counts them.
    """
    return "".join(f"remora_{number}=1\n" for number in range(1, _SACRIFICED_LINES + 1))


def hello(nonce: str) -> str:
    """One line that a shell answers with ``hello=1``, and that says nothing to a program of another kind.

    ``command``, because a start-up file may have made a function of printf.
    """
    return f"command printf '\\n%s%s\\n' '<{nonce}>' hello=1\n"


def first_script(nonce: str, variables: Mapping[str, str], texts: Sequence[str]) -> str:
    """What follows the opening lines: one compound, which is parsed whole before any of it runs."""
    return script({"remora_nonce": nonce, **variables}, texts)


def script(variables: Mapping[str, str], texts: Sequence[str]) -> str:
    """`texts` in one compound, after assignments of `variables`."""
    assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    return "{\n" + assignments + "".join(texts) + "}\n"


def becoming(words: Sequence[str]) -> str:
    """The last script: say that it ran, then become the program `words` in the login shell's own PATH."""
    return script({}, (f"remora_emit end become\nPATH=$remora_path\nexport PATH\nexec {shlex.join(words)}\n",))
