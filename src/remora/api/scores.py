"""How ready a host and a repository are for agents."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.ports import Dialogue
    from remora.wire.reports.score import ScoreReport


async def score(
    alias: str,
    folder: str,
    *,
    install: str | None = None,
    build: str | None = None,
    test: str | None = None,
    run: bool = True,
    limit: float | None = None,
    minimum: float | None = None,
    codex: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ScoreReport":
    """Measure the readiness of `folder` on `alias`; with `minimum` a lower score is a failure in the report.

    This runs the project's own commands on the host, in a clean checkout that is removed again, unless `run` is
    false; `install`, `build` and `test` are command lines that count more than those found, each of which may take
    `limit` seconds. `tell` hears what is being measured, neutralised.
    """
    from remora import wiring
    from remora.core.score.project_commands import Chore
    from remora.core.text import neutralise
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.score.score import ScoreRequest, score_host
    from remora.flows.trust.judge import TrustRules

    given = {Chore.INSTALL: install, Chore.BUILD: build, Chore.TEST: test}
    request = ScoreRequest(
        folder=folder,
        codex=settings.host(alias, codex=codex).codex,
        given={chore: line for chore, line in given.items() if line},
        run=run,
        limit=limit or settings.limits.score_command,
        minimum=minimum,
        trust=TrustRules(alias=alias, memory=wiring.trust_memory()),
    )
    return await score_host(
        alias,
        request,
        wiring.default_world(ssh_config, settings=settings),
        dialogue or UnattendedDialogue(),
        tell=lambda line: tell(neutralise(line, one_line=True)),
    )
