"""Bringing one package of codex to a host, beside what is there."""

from collections.abc import Mapping
from typing import Final

from remora.core.devbox.provision_step import StepScript
from remora.flows.provision.steps.step import Workbench
from remora.ports import Package, PackageForm, Packages
from remora.wire.manifest.document import CodexTable

VERSION_LIMIT: Final = "20"
"""Seconds for one ``codex --version``: the first one reads the whole program, perhaps from a slow disk."""
_TASTE: Final = 8 * 1024 * 1024
"""Bytes that show how fast a link is: with less the way there and back counts for more."""
_QUICK: Final = 160e6
"""Bytes a second from which on ``gzip`` on the host, which gives about as many, would be slower than the link."""


def install_name(package: Package) -> str:
    """The folder of this package's install: another version, platform or content never meets it."""
    return f"{package.version}-{package.platform.name}-{package.content[:12]}"


def install_variables(table: CodexTable) -> dict[str, str]:
    """What the scripts on the host know of the wish for an install of ours."""
    return {
        "remora_location": table.location,
        "remora_source": table.source.value,
        "remora_pin": table.digest or "",
        "remora_keep": str(table.keep),
        "remora_limit": VERSION_LIMIT,
    }


def package_variables(package: Package) -> dict[str, str]:
    """What the scripts on the host know of a package."""
    return {
        "remora_name": install_name(package),
        "remora_version": package.version,
        "remora_archive": package.digest,
        "remora_archive_size": str(package.size),
        "remora_content": package.content,
        "remora_files": str(package.files),
        "remora_program": package.program,
        "remora_parts": "\n".join(f"{part.size} {part.path}" for part in reversed(package.parts)),
        # What has arrived becomes the program; the others are copied out of it, and from that copy all but one again.
        "remora_beside": str(sum(part.size for part in (*package.parts[1:], *package.parts[2:]))),
    }


class Install:
    """One package on its way to a host. What has arrived is kept there when the way breaks."""

    def __init__(self, package: Package, packages: Packages, variables: Mapping[str, str]) -> None:
        self._package = package
        self._packages = packages
        self._variables = {**variables, **package_variables(package)}

    async def make(self, bench: Workbench) -> None:
        """Look what is there, send what is missing, then switch: an install that is there already travels no more."""
        limit = bench.world.limits.provision_step
        answers = await bench.ask(self._script("codex_prepare"), limit=limit)
        if answers.one("ready") is None:
            have = answers.number("have") or 0
            form = PackageForm.ZSTD
            if answers.one("zstd") is None:
                form, have = await self._taste(bench, have)
            if have < self._package.size:
                await self._send(bench, "codex_take codex_install", form, have)
            else:
                await bench.ask(self._script("codex_take codex_install"), limit=limit)
        await bench.ask(self._script("codex_switch"), limit=limit)

    async def _taste(self, bench: Workbench, have: int) -> tuple[PackageForm, int]:
        """Which form is the best for a host without ``zstd``, and how much it has after we know."""
        stop = have + _TASTE
        if stop >= self._package.size:
            return PackageForm.PLAIN, have
        clock = bench.world.clock
        began = clock.monotonic()
        await self._send(bench, "codex_take", PackageForm.PLAIN, have, stop=stop)
        is_quick = clock.monotonic() - began <= _TASTE / _QUICK
        return PackageForm.PLAIN if is_quick else PackageForm.GZIP, stop

    async def _send(
        self, bench: Workbench, name: str, form: PackageForm, have: int, *, stop: int | None = None
    ) -> None:
        parcel = await self._packages.send(self._package, form, have, stop=stop)
        upto = stop or self._package.size
        variables = {"remora_form": form.value, "remora_start": str(parcel.start), "remora_upto": str(upto)}
        await bench.send(self._script(name, variables), parcel.data, size=parcel.size)

    def _script(self, name: str, variables: Mapping[str, str] | None = None) -> StepScript:
        return StepScript(f"codex_places codex_transfer {name}", {**self._variables, **(variables or {})})
