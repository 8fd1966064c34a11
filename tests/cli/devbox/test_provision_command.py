"""`remora provision` as it is typed: what it prints, and what it refuses before any host is contacted."""

import json
import tomllib
from pathlib import Path

import pytest
from tests.support.base.program import remora

from remora.core.errors import ExitCode


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Three aliases whose host names nobody has."""
    file = tmp_path / "config"
    file.write_text("Host devbox ci-1 ci-2\n  HostName nobody.invalid\n")
    return file


def test_the_example_and_the_schema_are_printed() -> None:
    example = remora("provision", "--example")
    assert example.returncode == ExitCode.DONE
    assert tomllib.loads(example.stdout.decode())["hosts"][0]["select"] == ["devbox"]
    schema = remora("provision", "--schema")
    assert json.loads(schema.stdout) == json.loads(
        (Path(__file__).parents[3] / "docs/manifest.schema.json").read_text()
    )


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ([], ExitCode.USAGE, "No manifest was named"),
        (["a.toml", "b.toml"], ExitCode.USAGE, "More than one manifest"),
        (["none.toml"], ExitCode.CONFIG, "remora provision ALIAS --codex latest"),
        (["bxo.toml"], ExitCode.CONFIG, "box.toml?"),
        (["box.toml", "--source", "npm"], ExitCode.USAGE, "--source goes with --codex"),
        (["box.toml", "--set", "branch=main"], ExitCode.USAGE, "no variable 'branch'"),
        (["box.toml", "--set", "branch"], ExitCode.USAGE, "NAME=VALUE"),
        (["devbox", "--codex", "latest", "--set", "a=b"], ExitCode.USAGE, "--set goes with a manifest"),
        (["box.toml", "--host", "devbx"], ExitCode.USAGE, "Did you mean devbox?"),
        (["--codex", "latest"], ExitCode.USAGE, "No host was named"),
        (["devbox", "--codex", "lastest"], ExitCode.USAGE, "Did you mean latest?"),
        (["devbox", "--codex", "latest", "--host", "devbox"], ExitCode.USAGE, "--host goes with a manifest"),
        (["devbox", "--codex", "latest", "--source", "file"], ExitCode.USAGE, "--source file needs --file"),
        (["devbox", "--codex", "latest", "--file", "/none/codex"], ExitCode.USAGE, "/none/codex does not exist"),
        (["devbox", "--codex", "latest", "--source", "none"], ExitCode.USAGE, "use wheel, npm or file"),
        (["devbox", "--codex", "latest", "--emit", "ansible", "--user", "me"], ExitCode.USAGE, "--emit cloud-init"),
        (["devbox", "--codex", "latest", "--emit", "ansible", "--platform", "arm"], ExitCode.USAGE, "Linux-aarch64"),
        (["devbox:~/app", "--codex", "latest"], ExitCode.USAGE, "must name a host only"),
        (["devbx", "--codex", "latest"], ExitCode.CONFIG, "devbox"),
        (["box.toml", "--allow-shell-edit"], ExitCode.USAGE, "allow_shell_edit = true"),
        (["devbox"], ExitCode.CONFIG, "remora provision devbox --codex latest"),
        (["box.toml", "--codex", "latest"], ExitCode.USAGE, "Omit --codex"),
        (["box.toml", "--jobs", "0"], ExitCode.USAGE, "jobs"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_host_is_contacted(
    tmp_path: Path, config: Path, words: list[str], code: ExitCode, named: str
) -> None:
    (tmp_path / "box.toml").write_text('[[hosts]]\nselect = ["devbox"]\n')
    placed = [str(tmp_path / word) if word.endswith(".toml") else word for word in words]
    done = remora("provision", *placed, "--ssh-config", str(config))
    assert (done.returncode, done.stdout) == (code, b"")
    assert named in done.stderr.decode()


def test_a_manifest_that_cannot_be_used_is_one_error_document(tmp_path: Path, config: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_text('[[hosts]]\nselect = ["devbox"]\ncodex.versin = "latest"\n')
    done = remora("provision", str(file), "--ssh-config", str(config), "--json")
    assert (done.returncode, done.stderr) == (ExitCode.CONFIG, b"")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "manifest-invalid"
    assert error["message"].startswith(f"{file}:3: hosts[0].codex.versin:")
    assert error["next"] == "Did you mean version?"


@pytest.mark.parametrize("engine", ["ansible", "cloud-init"])
def test_trust_that_is_noted_here_is_not_emitted_for_another_engine(tmp_path: Path, config: Path, engine: str) -> None:
    project = f'repository = "https://example.com/a.git"\nfolder = "~/a"\ntrust = "{"ab" * 32}"\n'
    (tmp_path / "box.toml").write_text(f'[[defaults.projects]]\n{project}[[hosts]]\nselect = ["devbox"]\n')
    words = ("--emit", engine, "--ssh-config", str(config), *(("--user", "me") if engine == "cloud-init" else ()))
    done = remora("provision", str(tmp_path / "box.toml"), *words, folder=tmp_path)
    assert done.returncode == ExitCode.CONFIG, done
    assert b"Trust in ~/a" in done.stderr
