"""What runs on the host runs on Python 3.8, with nothing but its standard library."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from tests.support.link.relay_process import echo, read_all, read_exactly, relay_bench, resident

from remora.flows.relay import relay_start

_SHIPPED = (
    *relay_start._MODULES,
    relay_start._ENTRY,
    "remora.remote.relay.bootstrap",
)


def _pythons() -> list[str]:
    """One of each version that can be found."""
    root = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")))
    found = [sys.executable]
    for minor in range(8, 15):
        if f"3.{minor}" != f"{sys.version_info.major}.{sys.version_info.minor}":
            found += sorted(str(path) for path in root.glob(f"versions/3.{minor}.*/bin/python3"))[:1]
    return found


@pytest.mark.parametrize("module", _SHIPPED)
def test_the_syntax_is_that_of_3_8(module: str) -> None:
    ast.parse(relay_start._source(module), module, feature_version=(3, 8))


def test_no_newer_library_is_needed() -> None:
    paths = [str(files(module.rpartition(".")[0]).joinpath(f"{module.rpartition('.')[2]}.py")) for module in _SHIPPED]
    command = [
        sys.executable,
        "-c",
        "import vermin; vermin.main()",
        "--target=3.8-",
        "--no-tips",
        "--violations",
        *paths,
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("module", _SHIPPED)
def test_nothing_of_ours_is_imported_that_does_not_travel(module: str) -> None:
    tree = ast.parse(relay_start._source(module))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.module in _SHIPPED or _is_standard(node.module or ""), node.module
        elif isinstance(node, ast.Import):
            assert all(_is_standard(name.name) for name in node.names)


def test_the_modules_travel_in_the_order_of_their_needs() -> None:
    seen: set[str] = set()
    for module in relay_start._MODULES:
        for node in ast.parse(relay_start._source(module)).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("remora"):
                assert node.module in seen, f"{module} needs {node.module}"
        seen.add(module)


def test_the_program_is_small() -> None:
    assert len(relay_start.relay_program()) < 32 * 1024  # a pipe holds it, and it goes through in one flight
    assert len(relay_start._bootstrap()) < 3 * 1024


@pytest.mark.parametrize("python", _pythons())
async def test_it_runs_on_every_version_that_is_here(tmp_path: Path, python: str) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        bench.place = replace(bench.place, python=python)
        session = bench.session()
        stream = session.open("server")
        for _ in range(2):
            async with bench.attached(session):
                await stream.write(bytes(1024 * 1024))
                assert len(await read_exactly(stream, 1024 * 1024)) == 1024 * 1024
                folder = await read_all(session.open(f"folder:{tmp_path}", transient=True))
                assert json.loads(folder)["state"] == "ok"
                assert resident(bench.pids()[0]) < 30 * 1024 * 1024
        async with bench.attached(session):
            await session.leave()
        await bench.gone()


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
