"""Git repositories of a test's own."""

import subprocess
from pathlib import Path

_WHO = ("-c", "user.name=Somebody", "-c", "user.email=somebody@localhost", "-c", "init.defaultBranch=main")


def git(folder: Path, *words: str) -> str:
    """Run git in `folder`, and give what it says."""
    done = subprocess.run(["git", *_WHO, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, name: str, text: str) -> str:
    """Commit a file with that text, and give the commit."""
    (folder / name).write_text(text)
    git(folder, "add", name)
    git(folder, "commit", "--quiet", "-m", f"{name} says {text}")
    return git(folder, "rev-parse", "HEAD")


def new_repository(folder: Path) -> Path:
    """A repository with one commit on its branch main."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    commit(folder, "README", "first")
    return folder
