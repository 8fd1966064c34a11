"""A hub of a test's own: its folder, its environment, and its end."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.base.program import remora
from tests.support.base.until import LIMIT

from remora.hub.shared.lock import holder_of
from remora.hub.shared.places import HubPlaces


@dataclass(frozen=True, slots=True)
class HubPlace:
    """Where a hub may run; `environment` makes `remora` find it. `limit` is how many seconds a command may take."""

    folder: Path
    environment: dict[str, str]
    limit: float = LIMIT

    @property
    def places(self) -> HubPlaces:
        """The hub's own files."""
        return HubPlaces(self.folder / "run")

    @property
    def log(self) -> Path:
        """Its log."""
        return self.folder / "state/remora/log/hub.log"

    @property
    def pid(self) -> int | None:
        """The process that is the hub."""
        holder = holder_of(self.places.lock)
        return None if holder is None else holder.pid

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run `remora` here, without a terminal."""
        return remora(*words, environment=self.environment, limit=self.limit)

    def document(self, *words: str) -> dict[str, Any]:
        """The one document of a command that may fail."""
        done = self.run(*words, "--json")
        assert done.stdout.count(b"\n") == 1, done
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@contextmanager
def hub_place(**environment: str) -> Iterator[HubPlace]:
    """A place where no hub runs yet, and none is left."""
    folder = Path(tempfile.mkdtemp(prefix="h"))
    named = {"REMORA_RUNTIME_DIR": str(folder / "run"), "XDG_STATE_HOME": str(folder / "state")}
    place = HubPlace(folder, {**named, "REMORA_SSH_CONFIG": os.devnull, **environment})
    try:
        yield place
    finally:
        if place.pid is not None:
            done = place.run("hub", "stop")
            assert done.returncode == 0, done.stderr
        shutil.rmtree(folder)
