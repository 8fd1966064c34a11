"""The files around the code: the workflow runs the suite, the templates ask what is needed, releases are checked."""

import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from scripts import release_check
from tests.support.base.documents import ROOT


def read_yaml(name: str) -> object:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_workflow_and_the_hook_call_the_scripts_of_the_project() -> None:
    workflow = read_yaml(".github/workflows/ci.yml")
    assert isinstance(workflow, dict)
    (job,) = workflow["jobs"].values()
    assert any(".ci/run" in step.get("run", "") for step in job["steps"])
    hooks = read_yaml(".pre-commit-config.yaml")
    assert isinstance(hooks, dict)
    assert [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]] == ["scripts/check"]


def test_a_report_of_a_problem_has_to_bring_the_check_of_the_host() -> None:
    form = read_yaml(".github/ISSUE_TEMPLATE/problem.yml")
    assert isinstance(form, dict)
    needed = [part["attributes"]["label"] for part in form["body"] if part.get("validations", {}).get("required")]
    assert any("remora check ALIAS --json" in label for label in needed)


def test_every_script_can_be_run() -> None:
    listed = subprocess.run(["git", "ls-files", "-s", "scripts", ".ci"], cwd=ROOT, check=True, capture_output=True)
    rows = [line.split() for line in listed.stdout.decode().splitlines()]
    wrong = [row[3] for row in rows if (row[0] == "100755") != (not row[3].endswith((".py", ".md")))]
    assert wrong == []


def make_release(folder: Path, *, version: str, extra: str | None = None) -> Path:
    """Packages as `scripts/release` leaves them, the wheel with the files of this checkout."""
    listed = subprocess.run(["git", "ls-files", "src/remora"], cwd=ROOT, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(folder / f"remora-{version}-py3-none-any.whl", "w") as wheel:
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                wheel.write(ROOT / name, name.removeprefix("src/"))
        wheel.writestr(f"remora-{version}.dist-info/METADATA", f"Name: remora\nVersion: {version}\n")
        wheel.writestr(f"remora-{version}.dist-info/licenses/LICENSE", "MIT")
        if extra:
            wheel.writestr(extra, "")
    return folder


@pytest.mark.parametrize("extra", [None, "tests/secret.py", "remora/core/left_over.py"])
def test_a_wheel_with_what_does_not_belong_there_is_told(extra: str | None, tmp_path: Path) -> None:
    wheel = make_release(tmp_path, version="0.1.0", extra=extra) / "remora-0.1.0-py3-none-any.whl"
    expected = [] if extra is None else [f"The wheel has {extra}, which is not in src."]
    assert list(release_check.wheel_problems(wheel, "0.1.0")) == expected


def test_a_changelog_needs_a_dated_section_for_the_version() -> None:
    dated, undated = "# Changelog\n\n## 0.1.0 (2026-12-01)\n", "# Changelog\n\n## 0.1.0 (unreleased)\n"
    assert list(release_check.changelog_problems(dated, "0.1.0")) == []
    assert list(release_check.changelog_problems(undated, "0.1.0")) != []
    assert list(release_check.changelog_problems(dated, "0.2.0")) == ["CHANGELOG.md has no section 0.2.0."]
