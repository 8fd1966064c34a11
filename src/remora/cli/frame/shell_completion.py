"""How shells ask what can be typed: names of files are offered only where a file of this machine belongs.

typer's own answers say "files" wherever they know nothing else, as for a thread or behind a slip.
"""

import sys
from typing import Any, Final

from typer import _completion_shared
from typer._click.shell_completion import CompletionItem, _resolve_context, _resolve_incomplete, add_completion_class
from typer._completion_classes import BashComplete, FishComplete, ZshComplete

from remora.cli.frame.values import local_path

_NOTHING: Final = 3
"""The exit status that tells bash to offer nothing, not even files."""
_BASH: Final = """
%(complete_func)s() {
    local IFS=$'\\n' answer
    answer=$( env COMP_WORDS="${COMP_WORDS[*]}" \\
                  COMP_CWORD=$COMP_CWORD \\
                  %(autocomplete_var)s=complete_bash "$1" )
    [ $? -ne 3 ] || compopt +o default
    COMPREPLY=( $answer )
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""


class _Answer:
    """What all shells share: whether the word that is completed is a file of this machine."""

    takes_file = False

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """As in every shell; notes what is completed."""
        asked: Any = self
        context = _resolve_context(asked.cli, asked.ctx_args, asked.prog_name, args)
        target, incomplete = _resolve_incomplete(context, args, incomplete)
        self.takes_file = getattr(getattr(target, "type", None), "func", None) is local_path
        found: list[CompletionItem] = target.shell_complete(context, incomplete)
        return found


class _Bash(_Answer, BashComplete):
    source_template = _BASH

    def complete(self) -> str:
        found = super().complete()
        if not found and not self.takes_file:
            sys.exit(_NOTHING)
        return found


class _Zsh(_Answer, ZshComplete):
    def complete(self) -> str:
        found = super().complete()
        return found if found != "_files" or self.takes_file else ":"


class _Fish(_Answer, FishComplete):
    def complete(self) -> str:
        try:
            return super().complete()
        except SystemExit as end:  # whether fish asks us, or its own list of files
            raise SystemExit(end.code if self.takes_file else 0) from None


def prepare_shells() -> None:
    """Answer shells in this way, and give them scripts that understand the answers."""
    add_completion_class(_Bash, "bash")
    add_completion_class(_Zsh, "zsh")
    add_completion_class(_Fish, "fish")
    _completion_shared._completion_scripts["bash"] = _BASH  # noqa: SLF001 - typer has no other place for it
