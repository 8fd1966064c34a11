"""What the shell completes. Reads files only: no network, no ``ssh``, no ``Match exec``.

Use it as ``typer.Argument(autocompletion=complete_alias)``.
"""

import os

import typer

from remora.cli.frame.options import SSH_CONFIG_VARIABLE
from remora.core.errors import RemoraError


def complete_alias(ctx: typer.Context, incomplete: str) -> list[str]:
    """The aliases that begin with what was typed; nothing when the config cannot be read."""
    from remora import api

    try:
        report = api.list_hosts(ssh_config=_ssh_config(ctx))
    except RemoraError:
        return []
    return [row.alias for row in report.hosts if row.alias.startswith(incomplete)]


def complete_awaited(incomplete: str) -> list[str]:
    """Words of ``wait --for`` behind those that stand there already, with commas between."""
    from remora.core.readiness.awaited import Awaited

    before, comma, last = incomplete.rpartition(",")
    said = before.split(",")
    return [f"{before}{comma}{word}" for word in Awaited if word not in said and word.startswith(last)]


def _ssh_config(context: typer.Context) -> str | None:
    """The file named on the line so far: options of the nearest command first. Callbacks do not run here."""
    level: typer.Context | None = context
    while level is not None:
        named = level.params.get("ssh_config")
        if isinstance(named, str):
            return named
        level = level.parent  # type: ignore[assignment]
    return os.environ.get(SSH_CONFIG_VARIABLE) or None
