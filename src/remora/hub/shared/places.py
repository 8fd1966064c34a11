"""Where the hub's files are."""

from dataclasses import dataclass
from pathlib import Path

from remora.core.link.links import LinkName


@dataclass(frozen=True, slots=True)
class HubPlaces:
    """The hub's files below the private runtime folder."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Where callers come."""
        return self.folder / "hub.sock"

    @property
    def lock(self) -> Path:
        """Held by the hub for as long as it lives."""
        return self.folder / "hub.lock"

    @property
    def doors(self) -> Path:
        """The folder of the links' own sockets."""
        return self.folder / "links"

    def door(self, name: LinkName, mark: str | None = None) -> Path:
        """The local socket of one link; with the `mark` of a meaning one of that meaning alone."""
        own = name if mark is None else LinkName(name.alias, f"{name.ssh_config}\0{mark}")
        return self.doors / f"{own.file_stem}.sock"
