"""codex made visible to real login shells, without touching what is not ours."""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing
from tests.support.provision.packages import HERE, fake_program
from tests.support.provision.provision_bench import bench_at, bring, facts_of, provision, sshd
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepState
from remora.core.errors import Code, RemoraError
from remora.flows.provision.steps.codex import CodexStep
from remora.flows.provision.steps.path import PathStep
from remora.testing.memory_packages import MemoryPackages
from remora.wire.manifest.document import CodexTable, PathChange, PathTable

__all__ = ["sshd"]

pytestmark = pytest.mark.sshd

CURRENT = f".local/share/remora/codex/current-{HERE.os}-{HERE.architecture}"
LINE = PathTable(how=PathChange.LINE, allow_shell_edit=True)
SHELLS = {
    "bash": ".profile",
    "zsh": ".zprofile",
    "fish": ".config/fish/config.fish",
    "tcsh": ".login",
    "dash": ".profile",
}


@pytest.fixture
def codex() -> CodexTable:
    return CodexTable(version="0.10.0")


def index() -> MemoryPackages:
    """Two versions of a program that does nothing."""
    program = Path(shutil.which("true") or missing("true is not installed")).read_bytes()
    return MemoryPackages({"0.10.0": {"bin/codex": program}, "0.11.0": {"bin/codex": program + b"newer"}})


def path_is(sshd: SystemSshd, *folders: str | Path) -> None:
    """The PATH that the account's own start-up file makes, from scratch."""
    (sshd.home / ".profile").write_text(f"PATH={':'.join(map(str, folders))}:/usr/bin:/bin\n")


def brought(sshd: SystemSshd, codex: CodexTable, table: PathTable | None = None) -> Finding:
    """What the path step found, after codex was installed."""

    async def work() -> Finding:
        async with bench_at(sshd) as bench:
            await bring(CodexStep(codex, index()), bench)
            return await bring(PathStep(codex, table or PathTable()), bench)

    return run(work())


def refusal(sshd: SystemSshd, codex: CodexTable, table: PathTable | None = None) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        brought(sshd, codex, table)
    assert caught.value.code is Code.NOT_ON_PATH
    return caught.value


def leads_to_ours(link: Path, sshd: SystemSshd) -> bool:
    return link.resolve() == (sshd.home / CURRENT / "bin" / "codex").resolve()


def test_a_link_in_the_own_folder_on_the_path_survives_a_new_version(sshd: SystemSshd, codex: CodexTable) -> None:
    local = sshd.home / ".local" / "bin"
    path_is(sshd, sshd.home / "first" / "bin", local)
    (sshd.home / "first" / "bin").mkdir(parents=True)
    assert brought(sshd, codex).state is StepState.DIFFERENT
    assert leads_to_ours(local / "codex", sshd), "~/.local/bin is on the PATH, so it is made"
    newer = CodexTable(version="0.11.0")
    assert brought(sshd, newer).state is StepState.SAME


def test_the_first_own_writable_folder_takes_the_link_otherwise(sshd: SystemSshd, codex: CodexTable) -> None:
    tools = sshd.home / "tools" / "bin"
    tools.mkdir(parents=True)
    path_is(sshd, "/nowhere", tools)
    brought(sshd, codex)
    assert leads_to_ours(tools / "codex", sshd)


def test_a_folder_that_the_start_up_file_adds_once_it_is_there_is_made(sshd: SystemSshd, codex: CodexTable) -> None:
    # As Debian and Ubuntu give every account.
    (sshd.home / ".profile").write_text('if [ -d "$HOME/.local/bin" ]; then PATH="$HOME/.local/bin:$PATH"; fi\n')
    assert brought(sshd, codex).state is StepState.DIFFERENT
    assert leads_to_ours(sshd.home / ".local" / "bin" / "codex", sshd)


def test_the_named_folder_takes_the_link(sshd: SystemSshd, codex: CodexTable) -> None:
    named = sshd.home / "named"
    named.mkdir()
    path_is(sshd, sshd.home / ".local" / "bin", named)
    brought(sshd, codex, PathTable(folder="~/named"))
    assert leads_to_ours(named / "codex", sshd)


def test_an_account_with_another_home_than_its_own_stays_inside_it(
    tmp_path: Path, sshd: SystemSshd, codex: CodexTable
) -> None:
    outside = tmp_path / "outside" / "bin"
    outside.mkdir(parents=True)
    path_is(sshd, outside)
    assert leads_to_ours(sshd.home / ".local/bin/codex", sshd) is False
    assert brought(sshd, codex).notices
    assert leads_to_ours(sshd.home / ".local/bin/codex", sshd)
    assert list(outside.iterdir()) == []
    brought(sshd, codex, PathTable(folder=str(outside)))
    assert leads_to_ours(outside / "codex", sshd)


def test_a_named_folder_off_the_path_is_refused(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, sshd.home / ".local" / "bin")
    assert "~/.local" not in refusal(sshd, codex, PathTable(folder="~/named")).message
    assert not (sshd.home / "named").exists()


def test_f40_a_foreign_codex_is_not_replaced_and_a_link_goes_before_it(sshd: SystemSshd, codex: CodexTable) -> None:
    before, foreign = sshd.home / "before", fake_program(sshd.home / ".local" / "bin" / "codex", seed=7)
    content = foreign.read_bytes()
    before.mkdir()
    path_is(sshd, before, foreign.parent)
    finding = brought(sshd, codex)
    assert finding.state is StepState.DIFFERENT
    assert leads_to_ours(before / "codex", sshd)
    assert foreign.read_bytes() == content
    assert str(foreign) in brought(sshd, codex).detail, "the other one is named"


def test_f40_a_foreign_codex_that_cannot_be_got_round_is_named(sshd: SystemSshd, codex: CodexTable) -> None:
    foreign = fake_program(sshd.home / "bin" / "codex", seed=7)
    path_is(sshd, foreign.parent, sshd.home / ".local" / "bin")
    assert str(foreign) in refusal(sshd, codex).message
    assert not (sshd.home / ".local" / "bin" / "codex").exists()
    assert str(foreign) in refusal(sshd, codex, PathTable(folder="~/bin")).message
    assert not foreign.is_symlink()


def test_f40_broken_copies_on_the_path_are_passed_over(sshd: SystemSshd, codex: CodexTable) -> None:
    dangling, plain = sshd.home / "dangling", sshd.home / "plain"
    for folder in (dangling, plain):
        folder.mkdir()
    (dangling / "codex").symlink_to("/nowhere/codex")
    (plain / "codex").write_text("not executable")
    path_is(sshd, dangling, plain, sshd.home / ".local" / "bin")
    brought(sshd, codex)
    assert leads_to_ours(sshd.home / ".local" / "bin" / "codex", sshd)
    assert (dangling / "codex").is_symlink()


def test_without_a_folder_on_the_path_it_lies_where_remora_looks(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, "/nowhere")
    rc = (sshd.home / ".profile").read_text()
    first, again = brought(sshd, codex), brought(sshd, codex)
    assert (first.state, again.state) == (StepState.DIFFERENT, StepState.SAME)
    assert "--allow-shell-edit" in first.notices[0]
    assert first.notices == again.notices
    assert leads_to_ours(sshd.home / ".local/bin/codex", sshd)
    assert (sshd.home / ".profile").read_text() == rc

    assert str(sshd.home / ".local/bin/codex") in [found.path for found in run(facts_of(sshd)).candidates]


def test_where_a_line_is_asked_for_no_link_takes_its_place(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, "/nowhere")
    error = refusal(sshd, codex, PathTable(how=PathChange.LINE))
    assert "allow_shell_edit" in error.next_step
    assert "/nowhere" in error.seen
    assert not (sshd.home / ".local").joinpath("bin").exists()


def test_a_foreign_codex_where_remora_looks_is_left_alone(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, "/nowhere")
    foreign = sshd.home / ".local/bin/codex"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("#!/bin/sh\n")
    error = refusal(sshd, codex)
    assert error.message == f"{foreign} already exists and is not a link made by remora."
    assert error.next_step.startswith("Move it away, or allow a line")
    assert foreign.read_text() == "#!/bin/sh\n"


def test_a_link_to_nothing_where_remora_looks_is_named(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, "/nowhere")
    dangling = sshd.home / ".local/bin/codex"
    dangling.parent.mkdir(parents=True)
    dangling.symlink_to("/removed/codex")
    assert refusal(sshd, codex).message == f"{dangling} already exists and is not a link made by remora."
    assert str(dangling.readlink()) == "/removed/codex"


def test_a_place_where_remora_looks_that_takes_no_link_is_named(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, "/nowhere")
    place = sshd.home / ".local/bin"
    place.parent.mkdir(parents=True)
    place.write_text("not a folder\n")
    error = refusal(sshd, codex)
    assert error.message.startswith(f"{place} is not a writable folder of this account")
    assert "allow a line in a start-up file" in error.next_step


@pytest.mark.shells
@pytest.mark.parametrize("shell", SHELLS)
def test_one_marked_line_makes_it_visible_in_every_shell(shell: str, codex: CodexTable) -> None:
    program = shutil.which(shell) or missing(f"{shell} is not installed")
    with AccountSshd(program) as sshd:
        file = sshd.home / SHELLS[shell]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# mine, without an end of line")
        assert brought(sshd, codex, LINE).state is StepState.DIFFERENT
        assert brought(sshd, codex, LINE).state is StepState.SAME
        lines = file.read_text().splitlines()
        assert (lines[0], len(lines)) == ("# mine, without an end of line", 2)
        assert lines[1].endswith("# remora: codex")


@pytest.mark.parametrize("table", [PathTable(), LINE])
def test_installs_that_somebody_removed_are_brought_again(
    sshd: SystemSshd, codex: CodexTable, table: PathTable
) -> None:
    path_is(sshd, *([sshd.home / ".local" / "bin"] if table.how is PathChange.LINK else []))
    steps = (CodexStep(codex, index()), PathStep(codex, table))
    assert run(provision(sshd, steps)).outcome == "changed"
    shutil.rmtree(sshd.home / ".local" / "share")
    assert run(provision(sshd, steps, dry_run=True)).outcome == "would-change"
    assert run(provision(sshd, steps)).outcome == "changed"
    assert run(provision(sshd, steps)).outcome == "unchanged"


def test_a_line_in_a_linked_start_up_file_is_written_where_the_link_leads(sshd: SystemSshd, codex: CodexTable) -> None:
    kept = sshd.home / "dotfiles" / "profile"
    kept.parent.mkdir()
    kept.write_text("export OWN=1\n")
    kept.chmod(0o600)
    (sshd.home / ".profile").symlink_to(kept)
    brought(sshd, codex, LINE)
    assert (sshd.home / ".profile").is_symlink()
    assert (kept.read_text().splitlines()[0], kept.stat().st_mode & 0o777) == ("export OWN=1", 0o600)


def test_f30_what_an_rc_file_undoes_is_not_called_done(sshd: SystemSshd, codex: CodexTable) -> None:
    (sshd.home / ".profile").write_text(". ~/.bashrc\n")
    (sshd.home / ".bash_login").write_text("")
    (sshd.home / ".bashrc").write_text("PATH=/usr/bin:/bin\n")

    async def work() -> None:
        async with bench_at(sshd) as bench:
            await bring(CodexStep(codex, index()), bench)

    run(work())
    host = run(provision(sshd, [PathStep(codex, LINE)]))
    assert host.steps[0].error is not None
    assert host.steps[0].error.code == Code.NOT_ON_PATH.value


def test_f43_a_codex_of_the_users_own_is_left_where_it_is(sshd: SystemSshd) -> None:
    own = fake_program(sshd.home / "own" / "codex")
    path_is(sshd, own.parent)

    async def work() -> Finding:
        async with bench_at(sshd) as bench:
            wish = CodexTable(version="installed")
            await bring(CodexStep(wish, MemoryPackages()), bench)
            return await bring(PathStep(wish, PathTable()), bench)

    assert run(work()).state is StepState.SAME
    assert not (sshd.home / ".local").exists()


def test_a_new_login_shell_starts_it(sshd: SystemSshd, codex: CodexTable) -> None:
    path_is(sshd, "$HOME/.local/bin")
    brought(sshd, codex)
    config = sshd.folder / "config"
    config.write_text(sshd.ssh_config())
    said = subprocess.run(
        ["ssh", "-F", config, "devbox", "bash -lc 'codex --version'"], capture_output=True, check=True, timeout=30
    )
    assert said.stdout


@pytest.mark.shells
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_start_up_files_that_the_login_shell_does_not_read_promise_nothing(shell: str, codex: CodexTable) -> None:
    with AccountSshd(shutil.which(shell) or missing(f"{shell} is not installed")) as sshd:
        (sshd.home / ".profile").write_text('[ ! -d ~/.local/bin ] || PATH="$HOME/.local/bin:$PATH"\n')
        table = PathTable(allow_shell_edit=True)
        assert "gets a line" in brought(sshd, codex, table).detail
        assert brought(sshd, codex, table).state is StepState.SAME
        assert not (sshd.home / ".local/bin").exists()
