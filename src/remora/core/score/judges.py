"""What measurements of a project mean: its environment, its instructions, and how its work can be reviewed."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from remora.core.score.project_commands import Chore, ProjectCommand, names_command
from remora.core.score.scorecard import Group, Item, Result, blank, judged, unknown

GUIDES: Final = (
    "AGENTS.override.md",
    "AGENTS.md",
    "CLAUDE.md",
    ".cursorrules",
    ".github/copilot-instructions.md",
    "CONTRIBUTING.md",
    "README.md",
    "README.rst",
    "README",
)
"""Where a project tells agents and people how to work on it."""

_FOR_CODEX: Final = frozenset(GUIDES[:2])
_FOR_AGENTS: Final = frozenset(GUIDES[:5])
_TITLES: Final = {
    Chore.INSTALL: "installs from a clean checkout",
    Chore.BUILD: "builds from a clean checkout",
    Chore.TEST: "tests pass on a clean checkout",
}
_LARGE: Final = 400
"""Lines of uncommitted work beyond which nobody reviews them well."""


# -- environment


def checkout_item(folder: str) -> Item:
    """The clean checkout, not tried yet."""
    return blank(
        "checkout", Group.ENVIRONMENT, "can be checked out clean", f"git clone --shared {shlex.quote(folder)} SCRATCH"
    )


def chore_item(chore: Chore, command: ProjectCommand | None) -> Item:
    """A command of the project, not run yet."""
    line, source = (command.line, command.source) if command is not None else (f"(no command to {chore} found)", "")
    return blank(str(chore), Group.ENVIRONMENT, _TITLES[chore], line, source=source)


def judge_run(item: Item, *, status: int | None, said: str, seconds: float, limit: float) -> Item:
    """A command that ran: with `status`, or until it was ended at its limit (`None`)."""
    seconds = round(seconds, 2)
    if status == 0:
        return replace(item, result=Result.PASS, evidence=said, seconds=seconds)
    if status is None:
        end, step = f"ended after {limit:g} seconds", "Make it faster, or raise --limit."
    else:
        end, step = f"exit status {status}", f"Run it in a fresh clone and make it work: {item.command}"
    evidence = f"{said.strip()}\n{end}".strip()
    return replace(item, result=Result.FAIL, evidence=evidence, next_step=step, seconds=seconds)


def judge_missing(item: Item) -> Item:
    """A chore that no file of the project names a command for. Who cannot test cannot know whether the work is done."""
    chore = Chore(item.name)
    if chore is Chore.TEST:
        step = "Add a test command to the project (a Makefile target, scripts/test ...), or name it with --test."
        return judged(item, Result.FAIL, "no file of the project names a way to test it", step)
    return unknown(
        item, f"no file of the project names a way to {chore} it", f"Name the command, if one exists: --{chore}"
    )


# -- instructions


def judge_guides(documents: Mapping[str, str], folder: str) -> Item:
    """Whether the project has a word for agents, where codex reads it."""
    command = f"cd {shlex.quote(folder)} && wc -c {' '.join(GUIDES[1:7])}"
    item = blank("guide", Group.INSTRUCTIONS, "tells agents how to work on it", command)
    full = [name for name in GUIDES if documents.get(name, "").strip()]
    seen = "\n".join(f"{name}: {len(documents[name].encode())} bytes" for name in GUIDES if name in documents)
    if any(name in _FOR_CODEX for name in full):
        return judged(item, Result.PASS, seen)
    if full:
        step = "Write an AGENTS.md: codex reads no other of these files by itself."
        return judged(item, Result.PARTIAL, seen, step)
    return judged(item, Result.FAIL, seen or "none of them exists", "Write an AGENTS.md.")


def judge_named(documents: Mapping[str, str], commands: Mapping[Chore, ProjectCommand], folder: str) -> Item:
    """Whether the instructions name the commands that the project has."""
    wanted = "".join(f" -e {shlex.quote(command.names[0])}" for command in commands.values())
    search = f"cd {shlex.quote(folder)} && grep -F{wanted} {' '.join(GUIDES[1:7])}"
    how = search if commands else "(no command to look for)"
    item = blank("commands", Group.INSTRUCTIONS, "names its commands", how)
    if not commands:
        return unknown(item, "no command of the project is known", "Name them with --install, --build and --test.")
    places = {
        command.names[0]: next((name for name in GUIDES if names_command(documents.get(name, ""), command)), None)
        for command in commands.values()
    }
    seen = "\n".join(f"{line}: {place or 'named nowhere'}" for line, place in places.items())
    missing = [line for line, place in places.items() if place is None]
    if not missing and all(place in _FOR_AGENTS for place in places.values()):
        return judged(item, Result.PASS, seen)
    step = f"Write into AGENTS.md how this is done: {', '.join(missing or places)}"
    return judged(item, Result.FAIL if len(missing) == len(places) else Result.PARTIAL, seen, step)


def loaded_item(folder: str) -> Item:
    """What the server says that it loaded, not asked yet."""
    asked = f'{{"cwd": "{folder}", "ephemeral": true, "sandbox": "read-only"}}'
    command = f"app server: thread/start {asked} -> instructionSources"
    return blank("loaded", Group.INSTRUCTIONS, "the server loads its instructions", command)


def judge_loaded(item: Item, sources: Sequence[str] | None, top: str, version: str | None) -> Item:
    """What the server says that it loaded for the folder; `None`: it does not say."""
    if sources is None:
        return unknown(
            item, f"codex {version or ''} does not report this".replace("  ", " "), "Update codex on the host."
        )
    seen = "\n".join(sources) or "nothing"
    if any(source.startswith(f"{top.rstrip('/')}/") for source in sources):
        return judged(item, Result.PASS, seen)
    step = "Write an AGENTS.md into the repository, and see that project_doc_max_bytes is not 0 in config.toml."
    return judged(item, Result.PARTIAL if sources else Result.FAIL, seen, step)


# -- review


def judge_changes(status: str, size: str, largest: str, folder: str) -> Item:
    """How much work lies there that no commit has."""
    item = blank(
        "diff",
        Group.REVIEW,
        "its diff can be summarised",
        f"cd {shlex.quote(folder)} && git status --porcelain && git diff HEAD --stat",
    )
    files = [line for line in status.splitlines() if line.strip()]
    lines = sum(int(number) for number in re.findall(r"(\d{1,9}) (?:insertion|deletion)", size))
    if not files:
        return judged(item, Result.PASS, "no uncommitted work")
    new = sum(line.startswith("??") for line in files)
    counted = f"{len(files)} {'path differs' if len(files) == 1 else 'paths differ'} from HEAD, {new} untracked"
    seen = f"{counted}{f';{size}' if size.strip() else ''}\n{largest}".strip()
    if lines > _LARGE or new > 50:
        return judged(
            item, Result.PARTIAL, seen, "Commit what is there in parts that can be reviewed; ignore build output."
        )
    return judged(item, Result.PASS, seen)


def judge_base(base: str | None, commit: str, size: str, folder: str, *, remote: bool) -> Item:
    """Whether there is something that a review can compare with."""
    command = f"git -C {shlex.quote(folder)} merge-base HEAD {shlex.quote(base or '@{upstream}')}"
    item = blank("base", Group.REVIEW, "has a base to review against", command)
    if base is None:
        return judged(item, Result.FAIL, "no upstream, no origin/HEAD and no main branch beside this one", _PUSH)
    seen = f"{base} at {commit[:12]}; since then{size or ' nothing'}"
    return judged(item, Result.PASS if remote else Result.PARTIAL, seen, "" if remote else _PUSH)


_PUSH: Final = "Give the repository a remote: git remote add origin URL && git push -u origin HEAD"


def judge_tests(tests: Item) -> Item:
    """The tests as a reviewer needs them: the same measurement as in the environment."""
    return replace(
        tests,
        name="tests",
        group=Group.REVIEW,
        title="tests run before a review",
        evidence="" if tests.result is Result.PASS else f"see environment: {tests.title}",
        seconds=None,
    )


def review_item() -> Item:
    """The server's own review, not asked yet."""
    command = "app server: review/start {} (it names the missing parameter when it knows the request)"
    return blank("reviewer", Group.REVIEW, "the server can review", command)


def judge_review(known: bool, said: str) -> Item:
    """Whether the server knows ``review/start``."""
    step = "" if known else "Update codex on the host."
    return judged(review_item(), Result.PASS if known else Result.FAIL, said[:200], step)


def no_repository(item: Item, detail: str) -> Item:
    """An item of the review where the folder is no repository, which was measured."""
    return judged(item, Result.FAIL, detail, "Make it a git repository: git init && git add -A && git commit")
