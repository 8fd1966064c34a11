"""What has to hold of a release: one version, a dated section of the changelog, and packages with the right files."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def problems(packages: Path) -> list[str]:
    """Everything that is wrong with the release in a folder; nothing when it can be published."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    wheel, source = packages / f"{name}-{version}-py3-none-any.whl", packages / f"{name}-{version}.tar.gz"
    missing = [f"{file.name} is missing in {packages}." for file in (wheel, source) if not file.exists()]
    if missing:
        return missing
    return [
        *changelog_problems((ROOT / "CHANGELOG.md").read_text(), version),
        *wheel_problems(wheel, version),
        *source_problems(source),
    ]


def changelog_problems(changelog: str, version: str) -> Iterator[str]:
    """What is wrong with the section of this version."""
    heading = re.search(rf"^## {re.escape(version)} \((.*)\)$", changelog, re.MULTILINE)
    if heading is None:
        yield f"CHANGELOG.md has no section {version}."
    elif not re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading[1]):
        yield f"CHANGELOG.md says {heading[1]!r} for {version}, not a day such as 2026-12-31."


def wheel_problems(wheel: Path, version: str) -> Iterator[str]:
    """What the wheel lacks, and what it has beyond the files of this checkout."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = email.message_from_bytes(archive.read(f"remora-{version}.dist-info/METADATA"))
    listed = subprocess.run(["git", "ls-files", "src/remora"], cwd=ROOT, check=True, capture_output=True, text=True)
    ours = {name.removeprefix("src/") for name in listed.stdout.splitlines()}
    strange = sorted(name for name in names - ours if ".dist-info/" not in name)
    yield from (f"The wheel lacks {name}." for name in sorted(ours - names))
    yield from (f"The wheel has {name}, which is not in src." for name in strange)
    if metadata["Version"] != version:
        yield f"The wheel says that its version is {metadata['Version']}, not {version}."
    if not any(name.endswith("LICENSE") for name in names):
        yield "The wheel lacks the licence."


def source_problems(source: Path) -> Iterator[str]:
    """What the source package lacks, and what was built into it by mistake."""
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    for needed in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "src/remora/__init__.py"):
        if needed not in names:
            yield f"The source package lacks {needed}."
    for name in names:
        if name.startswith((".venv", "dist/", "build/", ".cache")):
            yield f"The source package has {name}."


if __name__ == "__main__":
    found = problems(Path(sys.argv[1]))
    sys.exit("".join(f"release: {problem}\n" for problem in found) if found else 0)
