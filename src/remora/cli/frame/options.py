"""The options that every command accepts, declared once.

They may stand before the command's name or after it; what is said later wins, ``-v`` and ``-q`` add up.
"""

import functools
import inspect
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, ParamSpec, TypeVar, cast

import typer

from remora.cli.frame.values import is_text, local_path, seconds, shown
from remora.core.errors import Code, UsageProblem
from remora.core.settings import Settings

SSH_CONFIG_VARIABLE: Final = "REMORA_SSH_CONFIG"

_META_KEY: Final = "remora.options"
_CONTEXT: Final = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user said about the command as a whole. `timeout` is seconds for all of it."""

    json: bool = False
    ssh_config: str | None = None
    config: str | None = None
    no_input: bool = False
    timeout: float | None = None
    verbosity: int = 0
    """Above zero for ``-v``, below for ``-q``."""
    began: float = field(default_factory=time.monotonic)
    """When the command line was read; the limit counts from there."""

    @property
    def seconds_left(self) -> float | None:
        """What is left of the time limit, never quite nothing; `None` without one."""
        return None if self.timeout is None else max(self.began + self.timeout - time.monotonic(), 0.001)

    @property
    def settings(self) -> Settings:
        """The user's settings file, or the one named with ``--config``; read at each call."""
        from remora import api

        return api.load_settings(self.config)

    @property
    def may_ask(self) -> bool:
        """Whether a person can answer a question: a terminal, and no ``--no-input``."""
        return not self.no_input and sys.stdin is not None and sys.stdin.isatty()


def common_options(function: Callable[_P, _R]) -> Callable[..., _R]:
    """Give a command the common options.

    `function` takes them as one argument named ``options`` of type :class:`Options`; the rest of its
    signature is the command's own; an argument of type :class:`typer.Context` is named ``context``. Use it
    below ``@app.command()`` or ``@app.callback()``.
    """
    signature = inspect.signature(function, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "options"]
    wants_context = any(parameter.name == "context" for parameter in own)
    common = list(inspect.signature(_declared, eval_str=True).parameters.values())
    names = [parameter.name for parameter in common]

    @functools.wraps(function)
    def command(context: typer.Context, **values: Any) -> _R:
        _check(context, values)
        given = {name: values.pop(name) for name in names}
        context.meta[_META_KEY] = options = _merge(current_options(context), **given)
        if wants_context:
            values["context"] = context
        return cast("Callable[..., _R]", function)(options=options, **values)

    taken = [*own, *common] if wants_context else [_CONTEXT, *own, *common]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in taken]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def current_options(context: typer.Context) -> Options:
    """What was said so far, up to the command that `context` belongs to."""
    known = context.meta.get(_META_KEY)
    return known if isinstance(known, Options) else Options(ssh_config=os.environ.get(SSH_CONFIG_VARIABLE) or None)


def read_codex_path(text: str) -> str:
    """The codex to use on a host: a path or a name there. Raises :class:`UsageProblem` for a version."""
    if re.fullmatch(r"v?\d+(\.\d+)+\S*|latest", text) is None:
        return text
    raise UsageProblem(
        Code.USAGE,
        f"--codex names a program on the host by its path; {text!r} is a version.",
        next_step=f"To bring that version to a host: remora provision ALIAS --codex {text}",
    )


CodexPath = Annotated[
    str | None,
    typer.Option("--codex", metavar="PATH", parser=read_codex_path, help="The codex on the host to use, by its path."),
]
"""The option of every command that may start or look at a codex of the host."""


def peek(arguments: Sequence[str]) -> Options:
    """The form in which a failure is shown, from a command line that may not even parse."""
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    verbose = any(word == "--verbose" or (word[:1] == "-" and set(word[1:]) == {"v"}) for word in words)
    return Options(json="--json" in words, verbosity=int(verbose))


def _check(context: typer.Context, values: Mapping[str, Any]) -> None:
    """Raises :class:`UsageProblem` for an empty value, and for one whose bytes are not UTF-8.

    An empty one is a variable that was not set: to take it for "not given" would do something else than was asked.
    Arguments of which there may be many are read, or passed on, one by one elsewhere.
    """
    for parameter in context.command.params:
        is_option = parameter.param_type_name == "option"
        found = values.get(parameter.name or "")
        given = [found] if isinstance(found, str) else list(found or ()) if is_option and parameter.multiple else []
        name = parameter.opts[0] if is_option else _bare(parameter.metavar or parameter.human_readable_name)
        for value in given:
            if isinstance(value, str) and not value.strip():
                advice = f"Give a value, or omit {name}." if is_option and not parameter.required else "Give a value."
                raise UsageProblem(Code.USAGE, f"Empty value for {name}.", next_step=advice)
            if isinstance(value, str) and not is_text(value) and not _is_local_path(parameter):
                raise UsageProblem(
                    Code.USAGE, f"The value of {name} is not UTF-8: '{shown(value)}'.", next_step="Write it in UTF-8."
                )


def _is_local_path(parameter: Any) -> bool:
    return getattr(parameter.type, "func", None) is local_path


def _bare(metavar: str) -> str:
    """A metavar without the brackets of what may be left out: ``[PROMPT]``, but not ``ALIAS[:DIR]``."""
    return metavar[1:-1] if metavar[:1] == "[" and metavar[-1:] == "]" else metavar


def _merge(before: Options, *, json: bool, no_input: bool, verbose: int, quiet: int, **values: Any) -> Options:
    return replace(
        before,
        json=before.json or json,
        no_input=before.no_input or no_input,
        verbosity=before.verbosity + verbose - quiet,
        **{name: value for name, value in values.items() if value is not None},
    )


def _declared(
    json: Annotated[bool, typer.Option("--json", help="Write JSON documents to standard output.")] = False,
    ssh_config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            parser=local_path,
            help=f"SSH config instead of ~/.ssh/config, as ssh -F. [{SSH_CONFIG_VARIABLE}]",
        ),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", parser=local_path, help="remora's own settings file.")
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask; exit 11 if a person is needed.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S", parser=seconds("--timeout"), help="Time limit of the command in seconds; then exit 14."
        ),
    ] = None,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Show more.", show_default=False)] = 0,
    quiet: Annotated[int, typer.Option("--quiet", "-q", count=True, help="Show less.", show_default=False)] = 0,
) -> None:
    """The declaration itself; never called."""
