"""Repositories on a real sshd: they are brought, they follow, and no work in them is lost."""

import shutil
import sys
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.provision.gits import commit, git, new_repository
from tests.support.provision.projects import failed_step, head, origin, outcomes, project, provisioned, sshd, tree
from tests.support.provision.provision_bench import bench_at, read
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepState
from remora.core.errors import Code, ProvisionProblem
from remora.flows.provision.steps.repository import RepositoryStep

pytestmark = pytest.mark.sshd
__all__ = ["origin", "sshd"]
_GIT = shutil.which("git")
LARGE_FILES = f"""#!{sys.executable}
import sys
read, write = sys.stdin.buffer, sys.stdout.buffer
def take():
    lines = []
    while size := int(read.read(4) or b"0", 16):
        lines.append(read.read(size - 4))
    return lines
def give(*lines):
    for line in lines:
        write.write(b"%04x" % (len(line) + 4) + line)
    write.write(b"0000")
    write.flush()
if sys.argv[1] == "filter-process":
    take(), give(b"git-filter-server\\n", b"version=2\\n")
    take(), give(b"capability=clean\\n", b"capability=smudge\\n")
    while asked := take():
        content = b"".join(take())
        words = (b"large", b"small") if b"command=clean\\n" in asked else (b"small", b"large")
        give(b"status=success\\n"), give(content.replace(*words)), give()
"""
"""A git-lfs that speaks git's protocol for filters that stay."""


@pytest.mark.parametrize("ref", ["main", "HEAD", "v1", "commit"])
def test_a_ref_is_cloned_once(sshd: SystemSshd, origin: Path, ref: str) -> None:
    first = git(origin, "rev-parse", "HEAD")
    git(origin, "tag", "-a", "-m", "one", "v1")
    table = project(origin, ref=first if ref == "commit" else ref)
    assert outcomes(provisioned(sshd, table)) == ["changed"]
    assert head(sshd) == first
    assert [path.name for path in tree(sshd).parent.iterdir()] == ["app"]
    if ref in ("main", "HEAD"):
        assert git(tree(sshd), "symbolic-ref", "--short", "HEAD") == "main"
    again = provisioned(sshd, table)
    assert outcomes(again) == ["unchanged"], again
    assert again.bytes == 0


@pytest.mark.parametrize("ref", ["commit", "v1"])
def test_commits_and_tags_need_no_word_with_the_origin(sshd: SystemSshd, origin: Path, ref: str) -> None:
    git(origin, "tag", "v1")
    table = project(origin, ref=git(origin, "rev-parse", "HEAD") if ref == "commit" else ref)
    provisioned(sshd, table)
    origin.rename(origin.with_name("away"))
    assert outcomes(provisioned(sshd, table)) == ["unchanged"]


def test_a_branch_that_moved_is_followed(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    second = commit(origin, "README", "second")
    (tree(sshd) / "notes").write_text("nobody tracks me")
    plan = provisioned(sshd, project(origin), dry_run=True)
    assert outcomes(plan) == ["would-change"]
    assert outcomes(provisioned(sshd, project(origin))) == ["changed"]
    assert head(sshd) == second
    assert (tree(sshd) / "notes").read_text() == "nobody tracks me"


def test_a_ref_named_in_full_such_as_a_pull_request_is_followed(sshd: SystemSshd, origin: Path) -> None:
    ref = "refs/pull/42/head"
    git(origin, "update-ref", ref, git(origin, "rev-parse", "HEAD"))
    assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["changed"]
    assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["unchanged"]
    pushed = commit(origin, "README", "pushed to the pull request")
    git(origin, "update-ref", ref, pushed)
    git(origin, "reset", "--quiet", "--hard", "HEAD~1")
    assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["changed"]
    assert head(sshd) == pushed


def test_another_branch_is_switched_to_and_the_old_one_stays(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    own = commit(tree(sshd), "work", "of an agent")
    git(origin, "checkout", "--quiet", "-b", "topic")
    there = commit(origin, "README", "topic")
    assert outcomes(provisioned(sshd, project(origin, ref="topic"))) == ["changed"]
    assert head(sshd) == there
    assert git(tree(sshd), "rev-parse", "main") == own


def test_a_branch_that_is_ahead_holds_all_that_is_wished(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    own = commit(tree(sshd), "work", "of an agent")
    host = provisioned(sshd, project(origin))
    assert outcomes(host) == ["unchanged"]
    assert "origin does not have" in host.steps[0].notices[0]
    assert head(sshd) == own


@pytest.mark.parametrize("work", ["changed", "staged", "apart", "stray", "in the way"])
def test_work_on_the_host_is_never_lost(sshd: SystemSshd, origin: Path, work: str) -> None:
    provisioned(sshd, project(origin))
    here = tree(sshd)
    if work in ("changed", "staged"):
        (here / "README").write_text("by an agent")
        if work == "staged":
            git(here, "add", "README")
    elif work == "apart":
        commit(here, "work", "of an agent")
    elif work == "stray":
        git(here, "checkout", "--quiet", "--detach")
        commit(here, "work", "of an agent")
    else:
        (here / "new").write_text("by an agent")
    before = head(sshd), git(here, "status", "--porcelain")
    commit(origin, "new" if work == "in the way" else "README", "moved on")
    host = provisioned(sshd, project(origin))
    failed_step(host, Code.REPOSITORY_CHANGED)
    assert (head(sshd), git(here, "status", "--porcelain")) == before


def test_looking_at_a_repository_runs_no_program_that_its_configuration_names(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    trap = sshd.home / "trap"
    git(tree(sshd), "config", "core.fsmonitor", f"touch {trap}; false")
    assert outcomes(provisioned(sshd, project(origin))) == ["unchanged"]
    commit(origin, "README", "next")
    assert outcomes(provisioned(sshd, project(origin))) == ["changed"]
    assert not trap.exists()


def test_a12_an_update_runs_no_program_that_the_clone_names(sshd: SystemSshd, origin: Path) -> None:
    (origin / ".gitattributes").write_text("* filter=evil merge=evil diff=evil\n")
    git(origin, "add", ".gitattributes")
    commit(origin, "README", "with attributes")
    provisioned(sshd, project(origin))
    here, marks = tree(sshd), sshd.home / "marks"
    marks.mkdir()
    hook = here / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {marks}/hook\n")
    hook.chmod(0o755)
    for name in ("post-merge", "post-index-change", "reference-transaction", "pre-auto-gc"):
        shutil.copy(hook, hook.with_name(name))

    def plant(*keys: str, file: str = "config") -> None:
        for key in keys:
            git(here, "config", "--file", f".git/{file}", key, f"touch {marks}/{key.replace('.', '-')}; cat; true")

    plant("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "merge.evil.driver", "diff.evil.textconv")
    plant(
        "core.fsmonitor", "core.sshCommand", "core.askPass", "core.alternateRefsCommand", "core.gitProxy", "core.editor"
    )
    plant(
        "remote.origin.uploadpack", "credential.helper", "gpg.program", "diff.external", "core.pager", file="included"
    )
    plant("filter.evil.smudge", "remote.origin.uploadpack", file="config.worktree")
    git(here, "config", "extensions.worktreeConfig", "true")
    git(here, "config", "include.path", "included")
    git(here, "config", "core.hooksPath", ".git/hooks")
    git(here, "config", "protocol.ext.allow", "always")
    git(here, "config", f"url.ext::touch {marks}/url .insteadOf", str(origin))
    (marks / "planted").touch()
    second = commit(origin, "README", "second")
    assert outcomes(provisioned(sshd, project(origin))) == ["changed"]
    assert (here / "README").read_text() == "second"
    git(origin, "tag", "v2")
    git(origin, "checkout", "--quiet", "-b", "topic")
    third = commit(origin, "README", "third")
    for ref, expected in (("topic", third), ("v2", second), ("main", second)):
        assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["changed"]
        assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["unchanged"]
        assert (here / ".git/HEAD").read_text().strip() == (f"ref: refs/heads/{ref}" if ref != "v2" else second)
        assert (here / "README").read_text() == ("third" if expected == third else "second")
    assert [path.name for path in marks.iterdir()] == ["planted"]


@pytest.mark.parametrize("where", ["account", "clone"])
def test_what_keeps_large_files_elsewhere_goes_on_in_an_update(tmp_path: Path, origin: Path, where: str) -> None:
    """As git-lfs does it: `git lfs install` writes its filter for the account, with --local into the clone."""
    with SystemSshd(tmp_path, options=["MaxSessions 1"], environment={"LC_ALL": "C.UTF-8"}) as sshd:
        program = sshd.home / ".local/bin/git-lfs"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(LARGE_FILES)
        program.chmod(0o755)
        (sshd.home / ".profile").write_text('PATH="$HOME/.local/bin:$PATH"\n')
        (origin / ".gitattributes").write_text("*.bin filter=lfs\n")
        git(origin, "add", ".gitattributes")
        commit(origin, "data.bin", "small 1")
        provisioned(sshd, project(origin))
        here = tree(sshd)
        place = here / ".git/config" if where == "clone" else sshd.home / ".gitconfig"
        commands = {
            "clean": "git-lfs clean -- %f",
            "smudge": "git-lfs smudge -- %f",
            "process": "git-lfs filter-process",
        }
        for key, value in {**commands, "required": "true"}.items():
            git(here, "config", "--file", str(place), f"filter.lfs.{key}", value)
        commit(origin, "data.bin", "small 2")
        assert outcomes(provisioned(sshd, project(origin))) == ["changed"]
        assert (here / "data.bin").read_text() == "large 2"
        assert outcomes(provisioned(sshd, project(origin))) == ["unchanged"]


@pytest.mark.parametrize("kind", ["partial", "shallow", "linked", "split"])
def test_clones_of_every_kind_are_brought_forward(sshd: SystemSshd, origin: Path, kind: str) -> None:
    git(origin, "config", "uploadpack.allowFilter", "true")
    commit(origin, "other", "of before")
    url, here = f"file://{origin}", tree(sshd)
    here.parent.mkdir(parents=True, exist_ok=True)
    if kind == "partial":
        git(here.parent, "clone", "--quiet", "--filter=blob:none", url, here.name)
    elif kind == "shallow":
        git(here.parent, "clone", "--quiet", "--depth=1", "--no-single-branch", url, here.name)
    elif kind == "linked":
        git(here.parent, "clone", "--quiet", url, "first")
        git(here.parent / "first", "checkout", "--quiet", "--detach")
        git(here.parent / "first", "worktree", "add", "--quiet", str(here), "main")
    else:
        git(here.parent, "clone", "--quiet", url, here.name)
        git(here, "update-index", "--split-index")
    second = commit(origin, "README", "second")
    assert outcomes(provisioned(sshd, project(origin, repository=url))) == ["changed"]
    assert head(sshd) == second
    assert (here / "README").read_text() == "second"
    assert git(here, "status", "--porcelain") == ""
    git(origin, "checkout", "--quiet", "-b", "topic")
    third = commit(origin, "README", "third")
    assert outcomes(provisioned(sshd, project(origin, repository=url, ref="topic"))) == ["changed"]
    assert git(here, "rev-parse", "HEAD", "topic@{upstream}").split() == [third, third]
    assert git(here, "status", "--porcelain", "--branch") == "## topic...origin/topic"
    git(here, "fsck", "--no-dangling")


@pytest.mark.parametrize("kind", ["files", "another repository", "a file", "inside another"])
def test_a_folder_that_is_something_else_is_left_alone(
    sshd: SystemSshd, origin: Path, tmp_path: Path, kind: str
) -> None:
    here = tree(sshd)
    here.parent.mkdir(parents=True)
    if kind == "a file":
        here.write_text("mine")
    elif kind == "another repository":
        git(here.parent, "clone", "--quiet", str(new_repository(tmp_path / "other")), "app")
    else:
        if kind == "inside another":
            git(here.parent, "init", "--quiet")
        here.mkdir()
        (here / "mine").write_text("mine")
    before = sorted(here.parent.rglob("*"))
    failed_step(provisioned(sshd, project(origin)), Code.REPOSITORY_CHANGED)
    assert sorted(here.parent.rglob("*")) == before


@pytest.mark.parametrize("what", ["origin", "ref"])
def test_what_is_not_there_cannot_be_cloned_and_leaves_nothing(sshd: SystemSshd, origin: Path, what: str) -> None:
    table = project(origin, ref="nowhere") if what == "ref" else project(origin.with_name("missing"))
    failed = failed_step(provisioned(sshd, table), Code.REPOSITORY_FAILED)
    assert failed.error is not None
    assert ("nowhere" if what == "ref" else "missing") in failed.error.seen
    assert not list(tree(sshd).parent.iterdir())


def test_f47_a_clone_that_was_killed_is_begun_again(sshd: SystemSshd, origin: Path) -> None:
    host = provisioned(sshd, project(origin))
    left = tree(sshd).rename(tree(sshd).parent / next_name(sshd))
    (left / ".git/HEAD").write_text("half")
    host = provisioned(sshd, project(origin))
    assert outcomes(host) == ["changed"]
    assert [path.name for path in tree(sshd).parent.iterdir()] == ["app"]


def next_name(sshd: SystemSshd) -> str:
    """What a clone under way is called on this machine."""
    return f".app.remora-{Path('/etc/machine-id').read_text().strip() or 'machine'}"


def shim_git(sshd: SystemSshd, script: str) -> None:
    """Have `script` do what git is asked for on the host."""
    shim = sshd.home / "shims/git"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\n{script}\n")
    shim.chmod(0o755)
    (sshd.home / ".bash_profile").write_text('PATH="$HOME/shims:$PATH"\n')


@pytest.mark.parametrize(("quicker", "code"), [("clone", None), ("file", Code.REPOSITORY_CHANGED)])
def test_f61_what_another_machine_of_the_home_has_cloned_meanwhile_is_taken(
    sshd: SystemSshd, origin: Path, quicker: str, code: Code | None
) -> None:
    place = tree(sshd)
    finish = {"clone": f"{_GIT} clone -q {origin} {place}", "file": f"mkdir -p {place} && echo mine >{place}/work"}
    shim_git(sshd, f'{_GIT} "$@" || exit\ncase " $* " in *" clone "*) {finish[quicker]} ;; esac')
    host = provisioned(sshd, project(origin))
    if code is None:
        assert outcomes(host) == ["changed"]
        assert head(sshd) == git(origin, "rev-parse", "HEAD")
    else:
        failed_step(host, code)
        assert (place / "work").read_text() == "mine\n"
    assert [path.name for path in place.parent.iterdir()] == ["app"]


@pytest.mark.parametrize("is_clone", [True, False])
def test_f61_what_another_machine_of_the_home_has_cloned_since_the_plan_is_taken(
    sshd: SystemSshd, origin: Path, is_clone: bool
) -> None:
    step = RepositoryStep(project(origin))
    place = tree(sshd)

    async def scenario() -> Finding:
        async with bench_at(sshd) as bench:
            planned = await read(step, bench)
            if is_clone:
                git(origin, "clone", "--quiet", str(origin), str(place))
            else:
                place.mkdir(parents=True)
                (place / "work").write_text("mine")
            await step.apply(planned, bench, lambda *_: None)
            return await read(step, bench)

    if is_clone:
        assert run(scenario()).state is StepState.SAME
    else:
        with pytest.raises(ProvisionProblem) as caught:
            run(scenario())
        assert caught.value.code is Code.REPOSITORY_CHANGED
        assert (place / "work").read_text() == "mine"


@pytest.mark.parametrize("is_soon_done", [True, False])
def test_f61_another_git_that_is_at_work_in_the_tree_is_waited_for(
    sshd: SystemSshd, origin: Path, is_soon_done: bool
) -> None:
    provisioned(sshd, project(origin))
    second = commit(origin, "README", "second")
    lock = tree(sshd) / ".git/index.lock"
    lock.touch()
    end = f"rm -f {lock}" if is_soon_done else ":"
    shim_git(sshd, f'{_GIT} "$@" && exit\nstatus=$?\ncase " $* " in *" checkout "*) {end} ;; esac\nexit $status')
    host = provisioned(sshd, project(origin))
    if is_soon_done:
        assert outcomes(host) == ["changed"]
        assert head(sshd) == second
    else:
        failed = failed_step(host, Code.REPOSITORY_FAILED)
        assert failed.error is not None
        assert "another git command runs" in failed.error.seen
        assert str(lock) in failed.error.seen


def leave_half_way(sshd: SystemSshd, origin: Path, moment: str) -> None:
    """What a git of another machine has made of the tree by the moment in which its `files` are there, or its `index`;
    it ends once somebody has asked for the status.
    """
    place = tree(sshd)
    second = commit(origin, "README", "second")
    git(place, "fetch", "--quiet", "origin")
    (place / ".git/half-way").touch()
    if moment == "files":
        (place / ".git/index.lock").touch()
        (place / "README").write_text("second")
    else:
        git(place, "read-tree", "-m", "-u", "HEAD", second)


def shim_status(sshd: SystemSshd) -> None:
    place = tree(sshd)
    finish = (
        f"rm {place}/.git/half-way; rm -f {place}/.git/index.lock; "
        f"env -u GIT_DIR -u GIT_WORK_TREE -u GIT_OBJECT_DIRECTORY {_GIT} -C {place} reset --quiet --hard origin/main"
    )
    ask = f'case " $* " in *" status "*) [ ! -e {place}/.git/half-way ] || {{ {finish}; }} ;; esac'
    shim_git(sshd, f'{_GIT} "$@"\nstatus=$?\n{ask}\nexit $status')


@pytest.mark.parametrize("moment", ["files", "index"])
def test_f61_a_tree_that_another_machine_is_bringing_forward_is_no_work_of_somebody(
    sshd: SystemSshd, origin: Path, moment: str
) -> None:
    provisioned(sshd, project(origin))
    shim_status(sshd)
    leave_half_way(sshd, origin, moment)

    async def scenario() -> Finding:
        async with bench_at(sshd) as bench:
            return await read(RepositoryStep(project(origin)), bench)

    found = run(scenario())
    assert (found.state, found.notices) == (StepState.SAME, ())


@pytest.mark.parametrize("moment", ["files", "index"])
def test_f61_a_tree_that_another_machine_brings_forward_since_the_plan_is_waited_for(
    sshd: SystemSshd, origin: Path, moment: str
) -> None:
    provisioned(sshd, project(origin))
    shim_status(sshd)
    commit(origin, "other", "moves the branch")
    step = RepositoryStep(project(origin))

    async def scenario() -> tuple[Finding, Finding]:
        async with bench_at(sshd) as bench:
            planned = await read(step, bench)
            leave_half_way(sshd, origin, moment)
            await step.apply(planned, bench, lambda *_: None)
            return planned, await read(step, bench)

    planned, after = run(scenario())
    assert (planned.state, after.state) == (StepState.DIFFERENT, StepState.SAME)
    assert head(sshd) == git(origin, "rev-parse", "HEAD")
