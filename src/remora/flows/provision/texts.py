"""Scripts of steps as text for the shell of a bench."""

import shlex
from collections.abc import Mapping
from typing import Final

from remora.core.devbox.provision_step import StepScript
from remora.core.server.account_facts import AccountFacts
from remora.flows.server.shell import shipped

FUNCTIONS: Final = ("lock", "sockets", "service", "provision/marker", "provision/common")
"""What every script finds, behind ``places``."""

_TELL_APART: Final = 'trap - 0\nremora_tell() { remora_emit "$remora_step.$1" "$2" >&5; }\n'
"""In a shell of its own, answers go by a way of their own, past the log."""


def part(prefix: str, script: StepScript, *, channel: bool = False) -> str:
    """`script` in a subshell of its own, which reads nothing that is meant for the shell; it answers under `prefix`.

    With `channel` its descriptor 8 is what we send.
    """
    values = _assignments({"remora_step": prefix, **script.variables})
    return "(\n" + values + _text(script) + (") 8<&0 </dev/null\n" if channel else ") </dev/null 9<&-\n")


def watched(text: str) -> str:
    """`text`, ended with all that it started when our side of the channel ends."""
    return f"remora_watch\n{text}remora_unwatch\n"


def gathered(text: str) -> str:
    """`text`, whose answers travel together once it has ended, not each in a packet of its own."""
    return f"{{\n{text}}} | awk 1\n"


def end(name: str) -> str:
    """The last answer."""
    return f"remora_emit end {shlex.quote(name or 'script')}\n"


def alone(prefix: str, script: StepScript, facts: AccountFacts, nonce: str) -> str:
    """`script` as a text for a shell of its own, with what the others find in that of the bench."""
    values = {
        "remora_nonce": nonce,
        "remora_path": facts.path,
        "remora_home": facts.codex_home,
        "remora_user": facts.user_id,
        "remora_here": facts.here,
        "remora_run": facts.runtime_folder or "",
        "remora_state": facts.state_folder,
        "remora_account": facts.account,
        "remora_shell": facts.login_shell,
        "remora_step": prefix,
        **script.variables,
    }
    functions = "".join(shipped(name) for name in ("prelude", *FUNCTIONS))
    return _assignments(values) + functions + _TELL_APART + _text(script)


def _text(script: StepScript) -> str:
    return "".join(shipped(f"provision/{name}") for name in script.name.split()) + script.text


def _assignments(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
