"""Bringing one package of codex to a host, beside what is there."""

from collections.abc import Mapping

from remora.core.provisioning import Script
from remora.flows.provision.step import Workbench
from remora.ports import Package, Packages


def install_name(package: Package) -> str:
    """The folder of this package's install: another version, platform or content never meets it."""
    platform = package.platform
    return f"{package.version}-{platform.os}-{platform.architecture}-{package.content[:12]}"


class Install:
    """One package on its way to a host. What has arrived is kept there when the way breaks."""

    def __init__(self, package: Package, packages: Packages, variables: Mapping[str, str]) -> None:
        self._package = package
        self._packages = packages
        self._variables = {
            **variables,
            "remora_name": install_name(package),
            "remora_archive": package.digest,
            "remora_archive_size": str(package.size),
            "remora_content": package.content,
            "remora_unpacked": str(package.unpacked),
            "remora_files": str(package.files),
            "remora_program": package.program,
            "remora_version": package.version,
            "remora_pieces": "\n".join(
                f"{piece.start} {piece.size} {piece.offset} {piece.path or '-'}" for piece in package.pieces
            ),
        }

    async def make(self, bench: Workbench) -> None:
        """Look what is there, send what is missing, then switch: an install that is there already travels no more."""
        limit = bench.world.limits.provision_step
        answers = await bench.ask(self._script("codex_prepare"), limit=limit)
        if answers.one("ready") is None:
            have = answers.number("have") or 0
            script = self._script("codex_install")
            if have < self._package.size:
                await bench.send(script, self._packages.read(self._package, have), size=self._package.size - have)
            else:
                await bench.ask(script, limit=limit)
        await bench.ask(self._script("codex_switch"), limit=limit)

    def _script(self, name: str) -> Script:
        return Script(f"codex_places codex_transfer {name}", self._variables)
