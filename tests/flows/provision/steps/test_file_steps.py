"""Files and config.toml on a real sshd, as steps bring them."""

import asyncio
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.provision.provision_bench import Progress, bench_at, bring, provision, read, sshd
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepState
from remora.core.errors import Code, RemoraError
from remora.flows.provision.steps.config import ConfigStep
from remora.flows.provision.steps.file import FileStep
from remora.flows.provision.steps.step import Step
from remora.wire.reports.provision import HostProvision

__all__ = ["sshd"]

_ANY_BYTES = bytes(range(256)) * 3
_LARGE = "ünï — \\ % '\n".encode() * 8000


def brought(sshd: SystemSshd, step: Step, *, progress: Progress | None = None) -> Finding:
    async def work() -> Finding:
        async with bench_at(sshd) as bench:
            return await bring(step, bench, progress=progress)

    return run(work())


def refused(sshd: SystemSshd, step: Step) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        brought(sshd, step)
    return caught.value


@pytest.mark.parametrize(
    "content", [b"", b"no end", b"one\ntwo\n\n", "ü 'quotes' $HOME `x` \\n %s\n".encode(), b"\r\n"]
)
def test_content_arrives_byte_for_byte(sshd: SystemSshd, content: bytes) -> None:
    found = brought(sshd, FileStep("rules/mine.rules", content, "0640"))
    file = sshd.home / ".codex/rules/mine.rules"
    assert (found.state, found.sends) == (StepState.DIFFERENT, len(content))
    assert file.read_bytes() == content
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.parent.stat().st_mode & 0o777 == 0o755
    assert brought(sshd, FileStep("rules/mine.rules", content, "0640")).state is StepState.SAME


@pytest.mark.parametrize("content", [_ANY_BYTES, _LARGE], ids=["any bytes", "large"])
def test_what_a_shell_cannot_hold_is_sent(sshd: SystemSshd, content: bytes) -> None:
    progress = Progress()
    brought(sshd, FileStep("~/some where/hook", content, "0700"), progress=progress)
    file = sshd.home / "some where/hook"
    assert file.read_bytes() == content
    assert file.stat().st_mode & 0o777 == 0o700
    assert file.parent.stat().st_mode & 0o777 == 0o700, "what is closed does not lie in an open folder"
    assert progress.moved[-1] == (len(content), len(content))


def test_only_the_mode_differs(sshd: SystemSshd) -> None:
    brought(sshd, FileStep("AGENTS.md", b"be kind\n", "0644"))
    before = (sshd.home / ".codex/AGENTS.md").stat()
    found = brought(sshd, FileStep("AGENTS.md", b"be kind\n", "0600"))
    after = (sshd.home / ".codex/AGENTS.md").stat()
    assert found.sends == 0
    assert after.st_ino == before.st_ino
    assert after.st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(sshd: SystemSshd) -> None:
    real = sshd.home / "dotfiles/agents"
    real.parent.mkdir()
    real.write_text("old")
    (sshd.home / ".codex").mkdir()
    link = sshd.home / ".codex/AGENTS.md"
    link.symlink_to("../dotfiles/agents")
    brought(sshd, FileStep("AGENTS.md", b"new", "0644"))
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_folder_in_the_way_stays(sshd: SystemSshd) -> None:
    (sshd.home / ".codex/AGENTS.md").mkdir(parents=True)
    error = refused(sshd, FileStep("AGENTS.md", b"new", "0644"))
    assert error.code is Code.PLACE_UNUSABLE
    assert (sshd.home / ".codex/AGENTS.md").is_dir()


def test_a_file_below_a_file_has_no_place(sshd: SystemSshd) -> None:
    (sshd.home / ".codex").write_text("not a folder")
    error = refused(sshd, FileStep("AGENTS.md", b"new", "0644"))
    assert error.code is Code.PLACE_UNUSABLE
    assert "AGENTS.md" in error.message or ".codex" in error.seen


KEYS = {"model": "gpt-6", "mcp_servers": {"docs": {"command": "docs"}}}


def config_of(sshd: SystemSshd, content: bytes | None, mode: int = 0o644) -> Path:
    file = sshd.home / ".codex/config.toml"
    if content is not None:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
    return file


def test_a_new_config_is_for_its_owner_alone(sshd: SystemSshd) -> None:
    found = brought(sshd, ConfigStep(KEYS))
    file = config_of(sshd, None)
    assert "model, mcp_servers.docs.command" in found.detail
    assert file.read_text() == 'model = "gpt-6"\n\n[mcp_servers.docs]\ncommand = "docs"\n'
    assert file.stat().st_mode & 0o777 == 0o600
    assert brought(sshd, ConfigStep(KEYS)).state is StepState.SAME


def test_a_config_keeps_its_mode_and_all_that_is_not_named(sshd: SystemSshd) -> None:
    file = config_of(sshd, b"# mine\nmodel = 'gpt-5' # good\nother=1\n\n\n[x]\ny=2", 0o640)
    brought(sshd, ConfigStep({"model": "gpt-6"}))
    assert file.read_bytes() == b'# mine\nmodel = "gpt-6" # good\nother=1\n\n\n[x]\ny=2'
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_broken_config_is_told_and_left(sshd: SystemSshd) -> None:
    file = config_of(sshd, b"model = \n")
    error = refused(sshd, ConfigStep(KEYS))
    assert error.code is Code.STEP_FAILED
    assert "line 1" in error.seen
    assert file.read_bytes() == b"model = \n"


def test_a_config_beyond_all_measure_is_not_read(sshd: SystemSshd) -> None:
    config_of(sshd, b"# much\n" * 100_000)
    assert refused(sshd, ConfigStep(KEYS)).code is Code.PLACE_UNUSABLE


def test_what_somebody_wrote_meanwhile_is_kept(sshd: SystemSshd) -> None:
    """The file changes between reading and writing: it is read and merged again."""
    file = config_of(sshd, b"other = 1\n")

    async def work() -> None:
        async with bench_at(sshd) as bench:
            step = ConfigStep(KEYS)
            found = await read(step, bench)
            await asyncio.to_thread(file.write_bytes, b"other = 2 # new\n")
            await step.apply(found, bench, Progress())
            assert (await read(step, bench)).state is StepState.SAME

    run(work())
    assert file.read_bytes().startswith(b'other = 2 # new\nmodel = "gpt-6"\n')


def test_f47_files_and_config_are_brought_once(sshd: SystemSshd) -> None:
    """The second run changes nothing, sends nothing, and touches no file."""
    steps: list[Step] = [
        ConfigStep(KEYS),
        FileStep("AGENTS.md", b"be kind\n", "0644"),
        FileStep("hooks/x", _ANY_BYTES, "0755"),
    ]

    def outcomes(host: HostProvision) -> list[str]:
        return [body.outcome for body in host.steps]

    first = run(provision(sshd, steps))
    assert outcomes(first) == ["changed"] * 3, first
    before = {path: path.stat().st_mtime_ns for path in sshd.home.rglob("*")}
    second = run(provision(sshd, steps))
    assert outcomes(second) == ["unchanged"] * 3
    assert second.bytes == 0
    assert {path: path.stat().st_mtime_ns for path in sshd.home.rglob("*")} == before
