"""A repository that names programs for git to run: looking at it runs none of them."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.provision.gits import git
from tests.support.sshd.score_host import ScoreHost, results_of, score_host

pytestmark = [pytest.mark.sshd]


def config(*pairs: str) -> Callable[[Path, str], None]:
    """Lines of the repository's own configuration; ``RUN`` in them is a program that leaves a trace."""

    def set_up(project: Path, run: str) -> None:
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            git(project, "config", name, value.replace("RUN", run))

    return set_up


def attributes(line: str, *pairs: str) -> Callable[[Path, str], None]:
    """The same, and a ``.gitattributes`` that chooses it."""

    def set_up(project: Path, run: str) -> None:
        (project / ".git/info/attributes").write_text(f"{line}\n")
        (project / ".gitattributes").write_text(f"{line}\n")
        config(*pairs)(project, run)

    return set_up


def hook(name: str) -> Callable[[Path, str], None]:
    def set_up(project: Path, run: str) -> None:
        place = project / ".git/hooks" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{run}\n")
        place.chmod(0o755)

    return set_up


def included(project: Path, run: str) -> None:
    (project / ".git/more").write_text(f'[filter "f"]\n\tclean = {run}\n')
    attributes("* filter=f", "include.path", "more", "includeIf.gitdir:**.path", "more")(project, run)


def in_worktree_config(project: Path, run: str) -> None:
    git(project, "config", "extensions.worktreeConfig", "true")
    attributes("* filter=f")(project, run)
    git(project, "config", "--worktree", "filter.f.clean", run)


def in_submodule(project: Path, run: str) -> None:
    inner = project / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    (inner / "file").write_text("one\n")
    git(inner, "add", "--all")
    git(inner, "commit", "--quiet", "-m", "inner")
    git(project, "add", "inner")
    git(project, "commit", "--quiet", "-m", "with inner")
    (inner / "file").write_text("two\n")
    attributes("* filter=f", "filter.f.clean", "RUN", "core.fsmonitor", "RUN")(inner, run)


def lacking(project: Path, run: str) -> None:
    """Objects are missing, and a program says where they would come from."""
    config("extensions.partialClone", "evil", "remote.evil.promisor", "true", "remote.evil.url", "ext::sh -c RUN%S",
           "protocol.ext.allow", "always", "remote.evil.uploadpack", "RUN;git-upload-pack")(project, run)  # fmt: skip
    tree = subprocess.check_output(["git", "-C", str(project), "rev-parse", "HEAD:test.sh"], text=True).strip()
    (project / ".git/objects" / tree[:2] / tree[2:]).unlink()


def elsewhere(project: Path, run: str) -> None:
    """``.git`` is a file that leads to a folder beside it."""
    attributes("* filter=f", "filter.f.clean", "RUN", "core.hooksPath", "hooks")(project, run)
    (project / ".git").rename(project.parent / "kept")
    (project / ".git").write_text("gitdir: ../kept\n")


TRICKS: dict[str, Callable[[Path, str], None]] = {
    "clean": attributes("* filter=f", "filter.f.clean", "RUN"),
    "process": attributes("* filter=f", "filter.f.process", "RUN", "filter.f.required", "true"),
    "odd-name": attributes("* filter=f=g", "filter.f=g.clean", "RUN"),
    "smudge": attributes("* filter=f", "filter.f.smudge", "RUN"),
    "textconv": attributes("* diff=f", "diff.f.textconv", "RUN"),
    "command": attributes("* diff=f", "diff.f.command", "RUN"),
    "external": config("diff.external", "RUN"),
    "merge-driver": attributes("* merge=f", "merge.f.driver", "RUN"),
    "post-index-change": hook("post-index-change"),
    "hooks-path": config("core.hooksPath", "/nowhere"),
    "fsmonitor": config("core.fsmonitor", "RUN"),
    "pager": config("core.pager", "RUN", "pager.status", "RUN", "pager.diff", "RUN"),
    "signature": config("gpg.program", "RUN", "log.showSignature", "true", "merge.verifySignatures", "true"),
    "ssh-command": config("core.sshCommand", "RUN", "remote.origin.url", "ssh://nowhere/x"),
    "credential-helper": config("credential.helper", "!RUN", "core.askPass", "RUN"),
    "alternate-refs": config("core.alternateRefsCommand", "RUN", "uploadpack.packObjectsHook", "RUN"),
    "alias": config("alias.status", "!RUN", "alias.diff", "!RUN"),
    "editor": config("core.editor", "RUN", "sequence.editor", "RUN"),
    "included": included,
    "worktree-config": in_worktree_config,
    "submodule": in_submodule,
    "promisor": lacking,
    "git-file": elsewhere,
}
"""What an agent, or whoever packed the folder, may have written into ``.git``."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoreHost]:
    with score_host(tmp_path_factory.mktemp("host"), version=None, options=()) as found:
        yield found


@pytest.mark.parametrize("trick", TRICKS)
def test_looking_at_a_repository_runs_none_of_its_programs(host: ScoreHost, trick: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(ran))}\ncat\n")
    program.chmod(0o755)
    project = host.good(trick)
    (project / "test.sh").write_text("changed in the folder\n")
    (project / "Makefile").touch()
    TRICKS[trick](project, str(program))
    ran.unlink(missing_ok=True)
    code, report = host.report(trick, "--no-run")
    assert not ran.exists(), report
    assert code == 0, report
    expected = {"pass", "fail"} if trick != "promisor" else {"pass", "fail", "unknown"}
    assert results_of(report)["review.diff"] in expected
    assert not list(host.sshd.folder.glob("**/remora-git.*"))
