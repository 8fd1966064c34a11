"""What names mean to this program: asked again each time, as ``ssh`` does."""

from remora import wiring
from remora.core.link.meanings import Meaning, meaning_of
from remora.core.settings import HostSettings, Limits
from remora.flows.host.dial import find_route


class Meanings:
    """Resolves names with one SSH config, in the environment of this program."""

    def __init__(self, ssh_config: str | None, limits: Limits) -> None:
        self._config = wiring.default_config_reader(ssh_config)
        self._resolver = wiring.default_resolver(ssh_config, limits=limits)

    async def of(self, alias: str, host: HostSettings) -> Meaning:
        """What `alias` means now. Raises as :func:`remora.flows.host.dial.find_route`."""
        return meaning_of(await find_route(alias, self._resolver, self._config), host.transport)
