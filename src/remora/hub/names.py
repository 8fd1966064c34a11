"""Which link each name of the SSH configuration leads to, for each of its meanings that is in use."""

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from remora.core.errors import Code
from remora.core.link.links import LinkName
from remora.core.link.meanings import MeantName, describe_change
from remora.hub.held import HeldLink
from remora.wire.reports import NoticeBody
from remora.wire.reports.links import EgressBody, ForwardBody

B = TypeVar("B", ForwardBody, EgressBody)

_LEFT: Final = "Commands that use the old link keep it; it ends with the last one."


class Names:
    """The names of all links."""

    def __init__(self) -> None:
        self.links: dict[MeantName, HeldLink] = {}
        self.current: dict[LinkName, str] = {}
        """The mark with which each name was connected last; links under its other marks are out of date."""

    @property
    def held(self) -> set[HeldLink]:
        """All links, each once."""
        return set(self.links.values())

    def find(self, name: LinkName, mark: str | None) -> HeldLink | None:
        """The link of a name with this mark, or with that of now."""
        return self.links.get(MeantName(name, mark or self.current.get(name, "")))

    def of(self, name: LinkName, mark: str | None = None) -> list[HeldLink]:
        """The links that a name leads to: first that of now, then those of before. With `mark` it is one, or none."""
        found = dict.fromkeys(self.links[meant] for meant in self.meanings(name) if mark in (None, meant.mark))
        return sorted(found, key=self.is_outdated)

    def meanings(self, name: LinkName) -> list[MeantName]:
        """What it means to those who use it."""
        return [meant for meant in self.links if meant.name == name]

    def current_names(self, held: HeldLink) -> list[MeantName]:
        """The names that lead to this link now."""
        return [meant for meant in held.names if self.current.get(meant.name, meant.mark) == meant.mark]

    def shown(self, held: HeldLink) -> MeantName:
        """The name under which a link is listed."""
        ready = (meant for meant in self.current_names(held) if meant.name in held.link.aliases)
        return next(ready, held.name)

    def is_outdated(self, held: HeldLink) -> bool:
        """Whether every name that leads there means something else now."""
        return not self.current_names(held)

    def notices(self, held: HeldLink, meant: MeantName) -> list[NoticeBody]:
        """What is to be said of a link that is out of date, under that name of it."""
        if not self.is_outdated(held):
            return []
        now = made = held.names[meant].place
        for other in self.meanings(meant.name):
            if other.mark == self.current[meant.name]:
                now = self.links[other].names[other].place
        said = describe_change(meant.name.alias, made=made, now=now)
        return [NoticeBody(code=Code.ALIAS_CHANGED, message=f"{said} {_LEFT}")]

    def placed(self, held: HeldLink, bodies: Iterable[B]) -> list[B]:
        """Ports of a link, with where it leads, and what is to be known about that."""
        meant = self.shown(held)
        notices, error = self.notices(held, meant), held.link.body().error
        if error is not None and error.code == Code.HOST_CHANGED:
            notices.append(NoticeBody(code=error.code, message=error.message))
        said = {
            "host": meant.name.alias,
            "ssh_config": meant.name.ssh_config,
            "mark": meant.mark,
            "leads_to": held.names[meant].place,
            "notices": notices,
        }
        return [msgspec.structs.replace(body, **said) for body in bodies]
