"""The demo's stage: a host, a model, the real app server and a small project with a failing test.

Nothing here is a shortcut: the host is reached over SSH with the ordinary commands, which is the point.
"""

import asyncio
import importlib.metadata
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Final

from remora.core.approval.request import ApprovalRequest, Decision, RequestKind
from remora.core.errors import AppServerProblem, Code
from remora.demo.embedded_host import EmbeddedHost, embedded_host
from remora.demo.scripted_model import Patch, RunCommand, Say, ScriptedModel, Step, UpdatePlan

PROMPT: Final = "A test of this project fails. Find out why, fix it, and prove it."
FOLDER: Final = "~/price"
_PROBE_LIMIT: Final = 20.0

_RUN_TESTS: Final = "sh test.sh"
_READ: Final = "cat price.sh"
_KEEP_REPORT: Final = 'sh test.sh > "$HOME/test-report.txt"'
_COMMANDS: Final = (_RUN_TESTS, _READ, _KEEP_REPORT)

_STEPS: Final[tuple[Step, ...]] = (
    Say("I run the tests first, to see what fails.", ends_turn=False),
    UpdatePlan(
        (("See which test fails", "in_progress"), ("Fix the cause", "pending"), ("Prove it with the tests", "pending"))
    ),
    RunCommand(_RUN_TESTS),
    Say("Ten pieces get no discount. I read how it is computed.", ends_turn=False),
    RunCommand(_READ),
    Say("`-gt 10` leaves ten itself out, though the comment says *ten pieces or more*.", ends_turn=False),
    Patch(
        """\
*** Begin Patch
*** Update File: price.sh
@@
-if [ "$quantity" -gt 10 ]; then
+if [ "$quantity" -ge 10 ]; then
*** End Patch"""
    ),
    RunCommand(_RUN_TESTS),
    Say("All tests pass. The report belongs outside of the project, so I have to ask.", ends_turn=False),
    RunCommand(
        _KEEP_REPORT,
        escalate=True,
        justification="Keep the test report in the home folder, outside of the project?",
    ),
    Say(
        "**Fixed.** The discount began at eleven pieces instead of ten: `-gt` in `price.sh` is now `-ge`.\n\n"
        "- All four tests pass.\n"
        "- The test report is in `~/test-report.txt`, if you allowed that.\n"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything the ordinary commands need to play the demo."""

    host: EmbeddedHost
    folder: str
    """The sample project's folder on the host, as a user would type it."""
    prompt: str
    sandboxed: bool
    """Whether codex can confine commands on this machine; where not, they run unconfined and it asks nothing."""

    @property
    def alias(self) -> str:
        return self.host.alias

    @property
    def ssh_config(self) -> Path:
        return self.host.ssh_config


class DemoAnswers:
    """Answers the demo's own requests when nobody is there; an :class:`~remora.ports.ApprovalHandler`.

    It allows what the demo's script is known to ask, once each time, and refuses everything else. `announce`
    is told every answer in a sentence, so that nobody takes it for a person's.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Choose what the script foresees."""
        grant = next((choice for choice in request.choices if choice.grants and choice.name == "accept"), None)
        if grant is None or not _is_foreseen(request):
            self._announce("Nobody is at the terminal. The demo's script did not foresee this request and declines it.")
            return request.decision(request.refusal, "rule")
        self._announce("Nobody is at the terminal: the demo's own script answers, and allows this once.")
        return request.decision(grant, "rule")


@asynccontextmanager
async def demo_scene(codex: Path | None = None) -> AsyncIterator[Scene]:
    """Set the stage; on leaving, host, app server, model and files are gone.

    `codex` is the app server to play with: the one that ``remora[demo]`` installs, unless given. Raises
    :class:`~remora.core.errors.AppServerProblem` when that is not installed here. A process that uses it turns
    signals that ask it to end into a cancellation: one that just ends leaves the app server behind.
    """
    codex = codex or _bundled_codex()
    with ScriptedModel(_STEPS) as model:
        async with embedded_host(programs=_program_folders(codex)) as host:
            sandboxed = await _can_confine(codex, host)
            await asyncio.to_thread(_furnish, host.home, model, sandboxed)
            yield Scene(host=host, folder=FOLDER, prompt=PROMPT, sandboxed=sandboxed)


def _bundled_codex() -> Path:
    try:
        codex_cli_bin = import_module("codex_cli_bin")
    except ImportError:
        raise AppServerProblem(
            Code.CODEX_MISSING,
            "The demo runs the real codex app server, which is not installed beside remora.",
            next_step=f"Install it with: {shlex.quote(sys.executable)} -m pip install '{_app_server()}'",
        ) from None
    return Path(codex_cli_bin.bundled_codex_path())


def _app_server() -> str:
    """The package that the extra ``demo`` names, with its version.

    The extra itself is not advised: the name of this package on a public index is not owned by its authors.
    """
    demo = (one.partition(";") for one in importlib.metadata.requires("remora") or ())
    return next(name.strip() for name, _, marker in demo if "demo" in marker)


def _program_folders(codex: Path) -> list[Path]:
    """Where codex lies, and the tools that its package brings along."""
    package = codex.parent.parent
    return [
        codex.parent,
        *(folder for name in ("codex-path", "codex-resources") if (folder := package / name).is_dir()),
    ]


async def _can_confine(codex: Path, host: EmbeddedHost) -> bool:
    """Whether codex's own sandbox starts here; containers often forbid what it needs."""
    child = await asyncio.create_subprocess_exec(
        str(codex),
        "sandbox",
        "--",
        "/bin/sh",
        "-c",
        "exit 0",
        cwd=host.home,
        env={"HOME": str(host.home), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PROBE_LIMIT):
            return await child.wait() == 0
    except TimeoutError:
        return False
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _furnish(home: Path, model: ScriptedModel, sandboxed: bool) -> None:
    """Lay out the scratch home: codex's configuration and the sample project."""
    sandbox_mode = "workspace-write" if sandboxed else "danger-full-access"
    model.furnish(home / ".codex", f'approval_policy = "on-request"\nsandbox_mode = "{sandbox_mode}"')
    with resources.as_file(resources.files("remora.demo") / "sample") as sample:
        shutil.copytree(sample, home / "price")


def _is_foreseen(request: ApprovalRequest) -> bool:
    """Whether it is exactly one of the script's own commands, which codex wraps in a shell."""
    try:
        words = shlex.split(request.command or "")
    except ValueError:
        return False
    return request.kind is RequestKind.COMMAND and bool(words) and words[-1] in _COMMANDS
