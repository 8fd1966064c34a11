"""What a step gives to an engine that is not remora: shell text and variables with which a host does it alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from remora.core.devbox.compact import compact_python
from remora.core.devbox.provision_step import log_name
from remora.core.settings import Limits
from remora.ports import Package
from remora.wire.manifest.document import FileTable, SecretSource

LAUNCH: Final = "launch"
"""Among :attr:`AloneStep.scripts`: the launch of an app server, as any client of a host does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AloneStep:
    """One step without remora.

    `kind` names its shell function (``remote/provision/alone/KIND.sh``); `functions` are others of that folder that it
    calls. `scripts` are the scripts of ours that it runs, each by the names that are put together. `variables` are what
    is to be true, `setting` is shell text beyond them, and `secrets` are what it has to be given.
    """

    kind: str
    name: str
    title: str
    variables: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    setting: str = ""
    secrets: Mapping[str, SecretSource] = field(default_factory=dict)
    file: FileTable | None = None
    """What it is when all that it does is to write this file."""
    brings_archive: bool = False
    """Whether an archive of codex has to be on the host before."""
    programs: tuple[str, ...] = ()
    """Packages of the operating system without which it cannot work."""


@dataclass(frozen=True, slots=True)
class AloneTerms:
    """What steps need to know of the engine. `shipments` are codex for each platform; `fetched` says where a machine on
    its own finds one, and nothing when it is brought.
    """

    limits: Limits
    shipments: Sequence[Package]
    fetched: Callable[[Package], str]

    @property
    def long(self) -> str:
        """Seconds for something of the user's that sets no limit of its own."""
        return str(max(round(self.limits.setup), 1))

    def run_variables(self, name: str, limit: float | None = None) -> dict[str, str]:
        """Where a script of the user's is logged, and how long it may take."""
        return {"remora_log_name": log_name(name), "remora_long": str(max(round(limit), 1)) if limit else self.long}


@cache
def host_program(name: str) -> str:
    """One of our Python programs for hosts, as short as it can be."""
    return compact_python(files("remora.remote.provision").joinpath(f"{name}.py").read_text("utf-8"))
