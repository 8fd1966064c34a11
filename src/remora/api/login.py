"""codex on a host signed in, and asked whether it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from datetime import date

    from remora.core.secrets import Secret
    from remora.ports import Dialogue
    from remora.wire.manifest.document import LoginKind
    from remora.wire.reports.login import LoginReport


async def login(
    alias: str,
    *,
    kind: "LoginKind | None" = None,
    secret: "Secret | None" = None,
    expires: "date | None" = None,
    tell: Callable[[str], None] = lambda line: None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "LoginReport":
    """Sign codex in on `alias`, with a secret of that kind, or with a device code that `tell` hears.

    The report says what a real request with the new login said; refused, the login from before is untouched. Remote
    text comes to `tell` neutralised. Cancel it to end what waits on the host.
    """
    from remora import wiring
    from remora.core.text import neutralise
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.provision.sign_in import LoginWay, sign_in_host

    with wiring.operator() as operator:
        return await sign_in_host(
            alias,
            LoginWay(kind=kind, secret=secret, expires=expires),
            wiring.default_world(ssh_config, settings=settings),
            dialogue or UnattendedDialogue(),
            operator=operator,
            tell=lambda line: tell(neutralise(line, one_line=True)),
        )


async def login_status(
    alias: str,
    *,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "LoginReport":
    """How codex on `alias` is signed in, by the word of a real request: the smallest turn there is."""
    from remora import wiring
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.provision.sign_in import read_login

    world = wiring.default_world(ssh_config, settings=settings)
    return await read_login(alias, world, dialogue or UnattendedDialogue())


async def read_secret(environment: str, *, settings: Settings = DEFAULT_SETTINGS) -> "Secret":
    """The secret in a variable of this process's environment. Raises ``secret-missing``."""
    from remora import wiring

    return await wiring.secret_sources(limits=settings.limits).read(environment=environment, file=None, command=None)
