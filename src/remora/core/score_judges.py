"""What each measurement of the scorecard means."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.project_commands import Chore, ProjectCommand, names_command
from remora.core.scoring import Group, Item, Result

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


def unknown(item: Item, why: str, next_step: str) -> Item:
    """`item` as something that could not be measured."""
    return Item(
        name=item.name,
        group=item.group,
        title=item.title,
        result=Result.UNKNOWN,
        command=item.command,
        evidence=why,
        next_step=next_step,
    )


def blank(name: str, group: Group, title: str, command: str) -> Item:
    """An item that nothing is known of yet."""
    return Item(name=name, group=group, title=title, result=Result.UNKNOWN, command=command)


# -- environment


def checkout_item(folder: str) -> Item:
    """The clean checkout, not tried yet."""
    return blank("checkout", Group.ENVIRONMENT, "can be checked out clean", f"git clone --shared {folder} SCRATCH")


def chore_item(chore: Chore, command: ProjectCommand | None) -> Item:
    """A command of the project, not run yet."""
    shown = f"{command.line}    (from {command.source})" if command is not None else f"(no command to {chore} found)"
    return blank(str(chore), Group.ENVIRONMENT, _TITLES[chore], shown)


def judge_run(item: Item, *, status: int | None, said: str, seconds: float, limit: float) -> Item:
    """A command that ran: with `status`, or until it was ended at its limit (`None`)."""
    result = Result.PASS if status == 0 else Result.FAIL
    if status is None:
        said = f"{said}\nended after {limit:g} seconds".strip()
        step = "Make it faster, or allow it more time with --limit."
    else:
        said = said if status == 0 else f"{said}\nexit status {status}".strip()
        step = "" if status == 0 else f"Run it in a fresh clone and make it work: {item.command.partition('    (')[0]}"
    return Item(
        name=item.name,
        group=item.group,
        title=item.title,
        result=result,
        command=item.command,
        evidence=said,
        next_step=step,
        seconds=round(seconds, 2),
    )


def judge_missing(item: Item) -> Item:
    """A chore that no file of the project names a command for. Who cannot test cannot know whether the work is done."""
    chore = Chore(item.name)
    if chore is Chore.TEST:
        step = "Add a test command to the project (a Makefile target, scripts/test ...), or name it with --test."
        return _judged(item, Result.FAIL, "no file of the project names a way to test it", step)
    return unknown(item, f"no file of the project names a way to {chore} it", f"If there is one, name it: --{chore}")


# -- instructions


def judge_guides(documents: Mapping[str, str]) -> Item:
    """Whether the project has a word for agents, where codex reads it."""
    item = blank(
        "guide", Group.INSTRUCTIONS, "tells agents how to work on it", f"wc -c {' '.join(GUIDES[1:6])} README.md"
    )
    full = [name for name in GUIDES if documents.get(name, "").strip()]
    seen = "\n".join(f"{name}: {len(documents[name].encode())} bytes" for name in GUIDES if name in documents)
    if any(name in _FOR_CODEX for name in full):
        return _judged(item, Result.PASS, seen)
    if full:
        step = "Write an AGENTS.md: codex reads no other of these files by itself."
        return _judged(item, Result.PARTIAL, seen, step)
    return _judged(item, Result.FAIL, seen or "none of them is there", "Write an AGENTS.md.")


def judge_named(documents: Mapping[str, str], commands: Mapping[Chore, ProjectCommand]) -> Item:
    """Whether the instructions name the commands that the project has."""
    wanted = "".join(f" -e {shlex.quote(command.names[0])}" for command in commands.values())
    item = blank("commands", Group.INSTRUCTIONS, "names its commands", f"grep -F{wanted} AGENTS.md README.md ...")
    if not commands:
        return unknown(item, "no command of the project is known", "Name them with --install, --build and --test.")
    places = {
        command.names[0]: next((name for name in GUIDES if names_command(documents.get(name, ""), command)), None)
        for command in commands.values()
    }
    seen = "\n".join(f"{line}: {place or 'named nowhere'}" for line, place in places.items())
    missing = [line for line, place in places.items() if place is None]
    if not missing and all(place in _FOR_AGENTS for place in places.values()):
        return _judged(item, Result.PASS, seen)
    step = f"Write into AGENTS.md how this is done: {', '.join(missing or places)}"
    return _judged(item, Result.FAIL if len(missing) == len(places) else Result.PARTIAL, seen, step)


def loaded_item() -> Item:
    """What the server says that it loaded, not asked yet."""
    command = 'app server: thread/start {"cwd": DIR, "ephemeral": true, "sandbox": "read-only"} -> instructionSources'
    return blank("loaded", Group.INSTRUCTIONS, "the server loads its instructions", command)


def judge_loaded(sources: Sequence[str] | None, top: str, version: str | None) -> Item:
    """What the server says that it loaded for the folder; `None`: it does not say."""
    item = loaded_item()
    if sources is None:
        return unknown(item, f"codex {version or ''} does not tell".replace("  ", " "), "Update codex on the host.")
    seen = "\n".join(sources) or "nothing"
    if any(source.startswith(f"{top.rstrip('/')}/") for source in sources):
        return _judged(item, Result.PASS, seen)
    step = "Write an AGENTS.md into the repository, and see that project_doc_max_bytes is not 0 in config.toml."
    return _judged(item, Result.PARTIAL if sources else Result.FAIL, seen, step)


# -- permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One command run through the server: which of the places it could write to; `None` when it did not run at all."""

    policy: str
    wrote: frozenset[str] | None
    said: str = ""


INSIDE: Final = "inside"
OUTSIDE: Final = "outside"


def sandbox_item() -> Item:
    """The sandbox, not tried yet."""
    command = (
        'app server: command/exec ["/bin/sh", "-c", "write to INSIDE and OUTSIDE"] '
        "with readOnly, with workspaceWrite, and as configured"
    )
    return blank("sandbox", Group.PERMISSIONS, "the sandbox confines commands", command)


def judge_sandbox(read_only: Trial, workspace: Trial, configured: Trial, places: Mapping[str, str]) -> Item:
    """Whether commands that the server runs write where they may, and nowhere else."""
    item = sandbox_item()
    seen = "\n".join(_trial_line(trial, places) for trial in (read_only, workspace, configured))
    if read_only.wrote is None or workspace.wrote is None:
        step = "See what is said; on Linux the sandbox needs user namespaces: remora check ALIAS"
        return _judged(item, Result.FAIL, seen, step)
    if read_only.wrote:
        step = "Do not let agents work here before the sandbox holds; update codex."
        return _judged(item, Result.FAIL, seen, step)
    if configured.wrote and OUTSIDE in configured.wrote:
        step = "Set sandbox_mode in config.toml on the host to workspace-write or read-only."
        return _judged(item, Result.FAIL, seen, step)
    if OUTSIDE not in places:
        return unknown(item, f"{seen}\nno place outside of the home can be written anyway", "")
    if OUTSIDE in workspace.wrote:
        step = "The server's own folder counts as its workspace: start it in a smaller one."
        return _judged(item, Result.PARTIAL, seen, step)
    if INSIDE in places and INSIDE not in workspace.wrote:
        return _judged(
            item, Result.PARTIAL, seen, "Find out what keeps confined commands from writing in their folder."
        )
    return _judged(item, Result.PASS, seen)


def _trial_line(trial: Trial, places: Mapping[str, str]) -> str:
    if trial.wrote is None:
        return f"{trial.policy}: did not run: {trial.said}"
    could = [f"wrote {places[name]}" if name in trial.wrote else f"{places[name]} refused" for name in places]
    return f"{trial.policy}: {', '.join(could)}"


def approvals_item() -> Item:
    """The effective configuration, not read yet."""
    return blank(
        "approvals",
        Group.PERMISSIONS,
        "approvals are not bypassed",
        'app server: config/read {"cwd": DIR}, configRequirements/read',
    )


def judge_approvals(config: Mapping[str, Any], requirements: Mapping[str, Any]) -> Item:
    """Whether the effective configuration leaves anything to ask, and confines what is not asked."""
    item = approvals_item()
    policy, sandbox = config.get("approval_policy"), config.get("sandbox_mode")
    profile = config.get("default_permissions")
    rows = {"approval_policy": policy, "sandbox_mode": sandbox, "default_permissions": profile}
    required = {
        key: value for key in ("allowedApprovalPolicies", "allowedSandboxModes") if (value := requirements.get(key))
    }
    seen = "\n".join(f"{key} = {_value(value)}" for key, value in {**rows, **required}.items() if value is not None)
    seen = seen or "neither approval_policy nor sandbox_mode is set: codex's own defaults hold"
    free = sandbox == "danger-full-access" or profile == ":danger-full-access"
    if free:
        return _judged(item, Result.FAIL, seen, "Set sandbox_mode in config.toml on the host to workspace-write.")
    if policy == "never":
        step = "Set approval_policy in config.toml to on-request, unless nobody is to be asked on this host."
        return _judged(item, Result.PARTIAL, seen, step)
    return _judged(item, Result.PASS, seen)


_STATES: Final = {
    "open": "any account can read it",
    "shut-off": "a closed folder above protects it",
    "closed": "closed",
}


def judge_secrets(kind: str, said: Sequence[str]) -> Item:
    """Whether others on the host can read secrets; each of `said` is ``STATE MODE PATH``."""
    if kind == "account":
        title = "the account's secrets are closed to others"
        command = "stat -c '%a %n' ~/.codex/auth.json ~/.ssh/* ~/.netrc ..."
    else:
        title = "secrets in the repository are closed to others"
        command = "find DIR -maxdepth 4 ( -name .env -o -name '*.pem' ... ) -exec stat -c '%a %n' {} +"
    item = blank(f"{kind}-secrets", Group.PERMISSIONS, title, command)
    rows = [line.split(" ", 2) for line in said if line.count(" ") >= 2]
    seen = "\n".join(f"{mode} {path}: {_STATES.get(state, state)}" for state, mode, path in rows)
    opened = [path for state, _, path in rows if state == "open"]
    if opened:
        return _judged(item, Result.FAIL, seen, f"On the host: chmod 600 {opened[0]}")
    loose = [path for state, _, path in rows if state == "shut-off"]
    if loose:
        return _judged(item, Result.PARTIAL, seen, f"On the host: chmod 600 {loose[0]}")
    return _judged(item, Result.PASS, seen or "none found")


# -- review


def judge_changes(status: str, size: str, largest: str) -> Item:
    """How much work lies there that no commit has."""
    item = blank("diff", Group.REVIEW, "its diff can be summarised", "git status --porcelain; git diff HEAD --stat")
    files = [line for line in status.splitlines() if line.strip()]
    lines = sum(int(number) for number in re.findall(r"(\d{1,9}) (?:insertion|deletion)", size))
    if not files:
        return _judged(item, Result.PASS, "no uncommitted work")
    new = sum(line.startswith("??") for line in files)
    counted = f"{len(files)} paths differ from HEAD, {new} of them untracked"
    seen = f"{counted}{f';{size}' if size.strip() else ''}\n{largest}".strip()
    if lines > _LARGE or new > 50:
        return _judged(
            item, Result.PARTIAL, seen, "Commit what is there in parts that can be reviewed; ignore build output."
        )
    return _judged(item, Result.PASS, seen)


def judge_base(base: str | None, commit: str, size: str, *, remote: bool) -> Item:
    """Whether there is something that a review can compare with."""
    item = blank(
        "base", Group.REVIEW, "has a base to review against", "git merge-base HEAD @{upstream}  (or origin/HEAD)"
    )
    if base is None:
        return _judged(item, Result.FAIL, "no upstream, no origin/HEAD and no main branch beside this one", _PUSH)
    seen = f"{base} at {commit[:12]}; since then{size or ' nothing'}"
    return _judged(item, Result.PASS if remote else Result.PARTIAL, seen, "" if remote else _PUSH)


_PUSH: Final = "Give the repository a remote: git remote add origin URL && git push -u origin HEAD"


def judge_tests(tests: Item) -> Item:
    """The tests as a reviewer needs them: the same measurement as in the environment."""
    return Item(
        name="tests",
        group=Group.REVIEW,
        title="tests run before a review",
        result=tests.result,
        command=tests.command,
        evidence="" if tests.result is Result.PASS else f"see environment: {tests.title}",
        next_step=tests.next_step,
    )


def review_item() -> Item:
    """The server's own review, not asked yet."""
    command = "app server: review/start {}  (it names the missing parameter when it knows the request)"
    return blank("reviewer", Group.REVIEW, "the server can review", command)


def judge_review(known: bool, said: str) -> Item:
    """Whether the server knows ``review/start``."""
    step = "" if known else "Update codex on the host."
    return _judged(review_item(), Result.PASS if known else Result.FAIL, said[:200], step)


def no_repository(item: Item, detail: str) -> Item:
    """An item of the review where the folder is no repository, which was measured."""
    return _judged(item, Result.FAIL, detail, "Make it a git repository: git init && git add -A && git commit")


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _judged(item: Item, result: Result, evidence: str, next_step: str = "") -> Item:
    return Item(
        name=item.name,
        group=item.group,
        title=item.title,
        result=result,
        command=item.command,
        evidence=evidence,
        next_step=next_step if result is not Result.PASS else "",
    )
