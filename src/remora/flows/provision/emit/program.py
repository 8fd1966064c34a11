"""The steps of one host as one text for ``/bin/sh`` that needs nobody: the same scripts, and the comparing in shell."""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Final

from remora.core.devbox.provision_step import operator_word
from remora.core.errors import Code, ConfigProblem
from remora.core.server.markers import Marker, Readiness, marker_text
from remora.flows.provision.steps.alone import LAUNCH, AloneStep
from remora.flows.provision.texts import FUNCTIONS
from remora.flows.server.shell import shipped

BOOTSTRAP: Final = (
    'remora_bootstrap=\'remora_given=$(while IFS= read -r remora_line && [ -n "$remora_line" ]; do '
    'printf "%s\\n" "$remora_line"; done <&3); remora_whole=$(cat <&3) && exec 3<&- && eval "$remora_whole"\'\n'
)
START: Final = f'unset remora_role\nexec 3<&0 </dev/null\n{BOOTSTRAP}eval "$remora_bootstrap"\n'
"""What ``/bin/sh -c`` gets, for a program on standard input: lines ``NAME BASE64`` of secrets, an empty one, and it."""

_EVERY: Final = ("lock_take", "lock_leave", "marker_write")
_MARKER: Final = "marker"
_LOGIN: Final = "login"
PLACES: Final = "places"
"""A kind of step that only says where things are; it needs no function of its own."""
_LAUNCH_PARTS: Final = ("provision/manager", "confine", "launch")

Texts = Callable[[str], str]
"""Gives one of our scripts, as :func:`remora.flows.server.shell.shipped` does."""


def program(
    steps: Sequence[tuple[int, AloneStep]],
    *,
    count: int,
    digest: str,
    operator: str,
    last: int | None = None,
    text_of: Texts = shipped,
) -> str:
    """The program for `steps`, each with its number of `count` in all. Asked for all it does those from 1 to `last`.

    Our scripts are what `text_of` gives. Raises ``manifest-invalid`` for what no shell can hold.
    """

    def alone(name: str) -> str:
        return text_of(f"provision/alone/{name}")

    kinds = list(dict.fromkeys(step.kind for _, step in steps))
    combined = dict.fromkeys((*_EVERY, *(script for _, step in steps for script in step.scripts)))
    parts = dict.fromkeys(part for scripts in combined for part in _parts(scripts))
    functions = dict.fromkeys((*kinds, *(name for _, step in steps for name in step.functions)))
    cases = "".join(_case(number, step, count, digest, operator) for number, step in steps)
    titles = "".join(f"{number}) printf '%s\\n' {shlex.quote(step.title)} ;;\n" for number, step in steps)
    text = (
        f"remora_last={last if last is not None else count}\n"
        f"remora_operator={shlex.quote(operator_word(operator))}\n"
        f"remora_title_of() {{\ncase $1 in\n{titles}esac\n}}\n"
        'if [ "${remora_role-}" = child ]; then\n'
        + text_of("prelude")
        + alone("answers")
        + '[ -z "${remora_inner-}" ] || PATH=$remora_path\n'
        + f'if [ -z "${{remora_inner-}}" ]; then\n{text_of("entry")}fi\n'
        + "".join(text_of(name) for name in ("places", "account", *FUNCTIONS))
        + "".join(f"{_name('text', part)}() {{\n{text_of(part)}}}\n" for part in parts)
        + "".join(_function(scripts) for scripts in combined)
        + text_of("provision/agent")
        + alone("child")
        + "".join(alone(name) for name in functions if name != PLACES)
        + f"remora_select() {{\ncase $1 in\n{cases}esac\n}}\n"
        + 'if [ -n "${remora_inner-}" ]; then "$remora_inner"; else remora_work_on; fi\n'
        + "else\n"
        + alone("outer")
        + "fi\n"
    )
    if "\0" in text:
        raise ConfigProblem(
            Code.MANIFEST_INVALID,
            "The manifest holds a NUL character, which a shell script cannot contain.",
            next_step="Remove the character, or use remora provision for that file.",
        )
    return text


def marker_step(steps: Sequence[AloneStep], *, left_out: str | None = None) -> AloneStep:
    """The step behind all: what the ready marker says in the end. `left_out` says what is missing, if anything is."""
    readiness = Readiness.READY if left_out is None else Readiness.FAILED
    number = next((at for at, step in enumerate(steps, 1) if step.kind == _LOGIN), len(steps))
    setting = "" if left_out is None else f"detail={left_out}\n"
    variables = {"remora_readiness": readiness.value, "remora_rest": setting, "remora_at": str(number)}
    return AloneStep(kind=_MARKER, name=_MARKER, title="the ready marker", variables=variables)


def _case(number: int, step: AloneStep, count: int, digest: str, operator: str) -> str:
    at = int(step.variables.get("remora_at", number))
    whole = step.kind == _MARKER and step.variables["remora_readiness"] == Readiness.READY.value
    title = "sign in" if step.kind == _MARKER else step.title
    marker = Marker(
        readiness=Readiness.PROVISIONING,
        digest=digest,
        step=None if whole else at,
        steps=None if whole else count,
        step_title="" if whole else title,
        operator=operator,
    )
    marked = marker_text(marker).partition("\n")[2]
    if rest := step.variables.get("remora_rest"):
        marked += "\n" + rest.rstrip("\n")
    values = {"remora_kind": step.kind, "remora_marked": marked, **step.variables}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f"{number})\n{lines}{step.setting};;\n"


def _parts(scripts: str) -> tuple[str, ...]:
    """What is run together, by the names of our files."""
    return _LAUNCH_PARTS if scripts == LAUNCH else tuple(f"provision/{name}" for name in scripts.split())


def _function(scripts: str) -> str:
    """Scripts that are run together as one function, which is a shell of its own."""
    calls = "".join(f"{_name('text', part)}\n" for part in _parts(scripts))
    return f"{_name('script', scripts)}() (\n{calls})\n"


def _name(kind: str, scripts: str) -> str:
    return f"remora_{kind}_" + re.sub(r"[^a-z]+", "_", scripts.replace("provision/", "").replace("alone/", ""))
