"""The steps of one host as one text for ``/bin/sh`` that needs nobody: the same scripts, and the comparing in shell."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from msgspec import UNSET

from remora.core.errors import Code, ConfigProblem
from remora.core.provisioning import Marker, Readiness, marker_text, operator_word
from remora.core.server_limits import make_limits
from remora.core.settings import Limits
from remora.flows.provision.building import steps_for
from remora.flows.provision.step import Step
from remora.flows.provision.steps.codex_install import install_name
from remora.flows.provision.steps.config import CAP
from remora.flows.provision.steps.login import OPTIONS
from remora.flows.provision.steps.project import SetupStep, SmokeStep, assignments
from remora.flows.provision.steps.repository import RepositoryStep, git_variables
from remora.flows.shell import shipped
from remora.ports import Package, Packages, SecretReader
from remora.wire.config_merge import merge_config
from remora.wire.host_spec import HostSpec
from remora.wire.manifest import CodexSource, CodexTable, FileTable, PathTable, ProjectTable, SecretSource

BOOTSTRAP: Final = (
    'remora_bootstrap=\'remora_given=$(while IFS= read -r remora_line && [ -n "$remora_line" ]; do '
    'printf "%s\\n" "$remora_line"; done <&3); remora_whole=$(cat <&3) && exec 3<&- && eval "$remora_whole"\'\n'
)
START: Final = f'unset remora_role\nexec 3<&0 </dev/null\n{BOOTSTRAP}eval "$remora_bootstrap"\n'
"""What ``/bin/sh -c`` gets, for a program on standard input: lines ``NAME BASE64`` of secrets, an empty one, and it."""

_VERSION_LIMIT: Final = "20"
_EVERY: Final = ("lock_take", "lock_leave", "marker_write")
_LONG: Final = "run"
_SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "codex": tuple(
        f"codex_places {rest}"
        for rest in (
            "codex_read",
            "codex_transfer codex_prepare",
            "codex_transfer alone/part",
            "codex_transfer codex_install",
            "codex_transfer codex_switch",
        )
    ),
    "found": ("codex_found codex_version", "codex_command", _LONG),
    "path": ("codex_places codex_found path_read", "codex_places path_link", "codex_places path_line"),
    "config": ("config_read", "config_apply"),
    "file": ("file_read", "file_apply"),
    "login": ("codex_program login_read", "codex_program login_functions login_apply"),
    "limits": ("server_find limits_enforced limits_read", "limits_apply"),
    "server": (
        "codex_program server_find limits_enforced server_unit server_read",
        "codex_program server_unit server_unit_apply",
        "launch",
    ),
    "repository": ("git repository_read", "git repository_apply", _LONG),
    "project": ("git project_read", "git project_run", _LONG),
    "marker": (),
    "places": (),
}
"""The scripts that steps of each kind use, together as they are run."""


@dataclass(frozen=True, slots=True)
class AloneStep:
    """One step: `variables` are its wish; `setting` is shell text beyond them; `secrets` are what it is to be given."""

    kind: str
    name: str
    title: str
    variables: Mapping[str, str]
    setting: str = ""
    secrets: Mapping[str, SecretSource] = field(default_factory=dict)
    file: FileTable | None = None


def alone_steps(
    spec: HostSpec,
    *,
    packages: Packages,
    secrets: SecretReader,
    limits: Limits,
    shipments: Sequence[Package],
    fetched: Callable[[Package], str],
) -> tuple[AloneStep, ...]:
    """All steps of `spec`, in their order. `shipments` are codex for each platform; `fetched` says where a machine on
    its own finds one, nothing when it is brought.

    Raises what no host could carry out, as ``manifest-invalid`` or as the step would.
    """
    steps = steps_for(spec, packages=packages, secrets=secrets)
    made = list(_Maker(spec, limits, shipments, fetched).make(steps))
    return tuple(made)


class _Maker:
    def __init__(
        self, spec: HostSpec, limits: Limits, shipments: Sequence[Package], fetched: Callable[[Package], str]
    ) -> None:
        self._tables = spec.tables
        self._long = str(max(round(limits.setup), 1))
        self._limits = limits
        self._shipments = shipments
        self._fetched = fetched

    def make(self, steps: Sequence[Step]) -> Iterator[AloneStep]:
        makers: Mapping[str, Callable[[Step], AloneStep]] = {
            "codex": self._codex,
            "path": self._path,
            "config": self._config,
            "instructions": self._instructions,
            "login": self._login,
            "limits": self._server_limits,
            "server": self._server,
        }
        projects = {project.folder: project for project in self._tables.projects}
        listed = iter(self._tables.files)
        for step in steps:
            kind, _, rest = step.name.partition(":")
            if isinstance(step, RepositoryStep):
                yield self._repository(step, projects[rest])
            elif isinstance(step, SetupStep | SmokeStep):
                yield self._project(step, projects[rest])
            elif kind == "file":
                yield _file(step, next(listed))
            else:
                yield makers[kind](step)

    def _instructions(self, step: Step) -> AloneStep:
        content = self._tables.instructions.content if self._tables.instructions is not UNSET else ""
        return _file(step, FileTable(path="AGENTS.md", content=content or ""))

    def _codex(self, step: Step) -> AloneStep:
        table = self._tables.codex
        assert table is not UNSET  # noqa: S101 - or there would be no such step
        if table.version == "installed" or table.source in (CodexSource.COMMAND, CodexSource.NONE):
            wished = "" if table.version in ("latest", "installed") else table.version
            variables = {
                "remora_wished_version": wished,
                "remora_command": table.command or "" if table.version != "installed" else "",
                "remora_left_alone": "1" if table.source is CodexSource.NONE else "",
                "remora_limit": _VERSION_LIMIT,
                "remora_long": self._long,
            }
            return AloneStep("found", step.name, step.title, variables)
        variables = {
            "remora_location": table.location,
            "remora_source": table.source.value,
            "remora_pin": table.digest or "",
            "remora_keep": str(table.keep),
            "remora_limit": _VERSION_LIMIT,
            "remora_fetcher": _program_text("codex_fetch"),
        }
        cases = "".join(_package_case(package, self._fetched(package)) for package in self._shipments)
        setting = f"remora_package() {{\ncase $1 in\n{cases}*) return 1 ;;\nesac\n}}\n"
        versions = sorted({package.version for package in self._shipments})
        return AloneStep("codex", step.name, f"codex {', '.join(versions)}", variables, setting)

    def _path(self, step: Step) -> AloneStep:
        tables = self._tables
        codex = CodexTable() if tables.codex is UNSET else tables.codex
        path = PathTable() if tables.path is UNSET else tables.path
        variables = {
            **step.reading().variables,
            "remora_location": codex.location,
            "remora_by": path.how.value,
            "remora_edit": "1" if path.allow_shell_edit else "",
        }
        return AloneStep("path", step.name, step.title, variables)

    def _config(self, step: Step) -> AloneStep:
        variables = {
            "remora_cap": str(CAP),
            "remora_keys": merge_config(b"", self._tables.config).decode(),
            "remora_merger": _program_text("config_merge"),
        }
        return AloneStep("config", step.name, step.title, variables)

    def _login(self, step: Step) -> AloneStep:
        table = self._tables.login
        assert table is not UNSET  # noqa: S101 - or there would be no such step
        assert table.secret is not None  # noqa: S101 - the step itself has asked
        variables = {
            "remora_login_kind": table.kind.value,
            "remora_option": OPTIONS[table.kind],
            "remora_expires": table.expires.isoformat() if table.expires else "",
            "remora_patience": str(max(round(self._limits.login_proof), 1)),
        }
        return AloneStep("login", step.name, step.title, variables, secrets={"login": table.secret})

    def _server_limits(self, step: Step) -> AloneStep:
        table = self._tables.server
        assert table is not UNSET  # noqa: S101 - or there would be no such step
        wish = make_limits(table.memory, table.cpu, table.processes)
        return AloneStep("limits", step.name, step.title, {"remora_wish": wish.text()})

    def _server(self, step: Step) -> AloneStep:
        table = self._tables.server
        assert table is not UNSET  # noqa: S101 - or there would be no such step
        variables = {
            "remora_start_it": "1" if table.start else "",
            "remora_survive": "1" if table.survive_reboot else "",
            "remora_limit": _VERSION_LIMIT,
        }
        return AloneStep("server", step.name, step.title, variables)

    def _repository(self, step: RepositoryStep, project: ProjectTable) -> AloneStep:
        problem = step.unusable()
        if problem is not None:
            raise problem
        variables = {**git_variables(project), **self._run_variables(step, None)}
        return AloneStep("repository", step.name, step.title, variables)

    def _project(self, step: SetupStep | SmokeStep, project: ProjectTable) -> AloneStep:
        is_setup = isinstance(step, SetupStep)
        before, after = step.digested
        secrets = project.secrets if is_setup else {}
        assignments(dict.fromkeys(secrets, ""))
        variables = {
            **git_variables(project),
            **self._run_variables(step, project.setup_limit if is_setup else project.smoke_limit),
            "remora_record": step.record,
            "remora_digest_head": before.decode(),
            "remora_digest_tail": after.decode(),
            "remora_environment": assignments(project.environment),
            "remora_script": (project.setup if is_setup else project.smoke) or "",
            "remora_secret_names": " ".join(secrets),
        }
        return AloneStep("project", step.name, step.title, variables, secrets=secrets)

    def _run_variables(self, step: Step, limit: float | None) -> dict[str, str]:
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", step.name).strip("._") or "run"
        return {"remora_log_name": name, "remora_long": str(max(round(limit), 1)) if limit else self._long}


def program(
    steps: Sequence[tuple[int, AloneStep]], *, count: int, digest: str, operator: str, last: int | None = None
) -> str:
    """The program for `steps`, each with its number of `count` in all. Asked for all it does those from 1 to `last`.

    Raises ``manifest-invalid`` for what no shell can hold.
    """
    kinds = list(dict.fromkeys(step.kind for _, step in steps))
    combined = dict.fromkeys((*_EVERY, *(script for kind in kinds for script in _SCRIPTS[kind])))
    kind_texts = "".join(_alone(kind) for kind in kinds if kind != "places")
    needs_python = "" if "config" in kinds or "codex" not in kinds else _alone("config")
    cases = "".join(_case(number, step, count, digest, operator) for number, step in steps)
    titles = "".join(f"{number}) echo {shlex.quote(step.title)} ;;\n" for number, step in steps)
    text = (
        f"remora_last={last if last is not None else count}\n"
        f"remora_operator={shlex.quote(operator_word(operator))}\n"
        f"remora_title_of() {{\ncase $1 in\n{titles}esac\n}}\n"
        'if [ "${remora_role-}" = child ]; then\n'
        + shipped("prelude")
        + _alone("answers")
        + '[ -z "${remora_inner-}" ] || PATH=$remora_path\n'
        + f'if [ -z "${{remora_inner-}}" ]; then\n{shipped("entry")}fi\n'
        + "".join(shipped(name) for name in ("places", "lock", "provision/marker", "provision/common"))
        + "".join(_function(script) for script in combined)
        + _alone("child")
        + kind_texts
        + needs_python
        + f"remora_select() {{\ncase $1 in\n{cases}esac\n}}\n"
        + 'if [ -n "${remora_inner-}" ]; then "$remora_inner"; else remora_work_on; fi\n'
        + "else\n"
        + _alone("outer")
        + "fi\n"
    )
    if "\0" in text:
        raise ConfigProblem(
            Code.MANIFEST_INVALID,
            "The manifest holds a NUL character, which no shell script can carry.",
            next_step="Take it out, or let remora provision bring that file.",
        )
    return text


def marker_step(steps: Sequence[AloneStep], *, left_out: str | None = None) -> AloneStep:
    """The step behind all: what the ready marker says in the end. `left_out` says what is missing, if anything is."""
    readiness = Readiness.READY if left_out is None else Readiness.FAILED
    number = next((at for at, step in enumerate(steps, 1) if step.kind == "login"), len(steps))
    setting = "" if left_out is None else f"detail={left_out}\n"
    variables = {"remora_readiness": readiness.value, "remora_rest": setting, "remora_at": str(number)}
    return AloneStep("marker", "marker", "the ready marker", variables)


def _case(number: int, step: AloneStep, count: int, digest: str, operator: str) -> str:
    at = int(step.variables.get("remora_at", number))
    whole = step.kind == "marker" and step.variables["remora_readiness"] == Readiness.READY.value
    title = "sign in" if step.kind == "marker" else step.title
    marker = Marker(
        readiness=Readiness.PROVISIONING,
        digest=digest,
        step=None if whole else at,
        steps=None if whole else count,
        step_title="" if whole else title,
        operator=operator,
    )
    marked = marker_text(marker).partition("\n")[2]
    if rest := step.variables.get("remora_rest"):
        marked += "\n" + rest.rstrip("\n")
    values = {"remora_kind": step.kind, "remora_marked": marked, **step.variables}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f"{number})\n{lines}{step.setting};;\n"


def _file(step: Step, table: FileTable) -> AloneStep:
    content = table.content or ""
    variables = {
        "remora_path_wished": table.path,
        "remora_mode_wished": table.mode.removeprefix("0"),
        "remora_digest_wished": sha256(content.encode()).hexdigest(),
        "remora_content": content,
    }
    return AloneStep("file", step.name, step.title, variables, file=table)


def _package_case(package: Package, fetched: str) -> str:
    pieces = "\n".join(f"{piece.start} {piece.size} {piece.offset} {piece.path or '-'}" for piece in package.pieces)
    values = {
        "remora_name": install_name(package),
        "remora_version": package.version,
        "remora_archive": package.digest,
        "remora_archive_size": str(package.size),
        "remora_content": package.content,
        "remora_unpacked": str(package.unpacked),
        "remora_files": str(package.files),
        "remora_program": package.program,
        "remora_fetch": fetched,
        "remora_pieces": pieces,
    }
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f"{package.platform.os}-{package.platform.architecture})\n{lines};;\n"


def _function(scripts: str) -> str:
    """The scripts as one function, which is a shell of its own."""
    if scripts == "launch":
        body = shipped("confine") + shipped("launch")
    else:
        body = "".join(shipped(f"provision/{name}") for name in scripts.split())
    name = re.sub(r"[^a-z]+", "_", scripts.replace("alone/", ""))
    return f"remora_script_{name}() (\n{body})\n"


def _alone(name: str) -> str:
    return shipped(f"provision/alone/{name}")


@cache
def _program_text(name: str) -> str:
    return files("remora.remote.provision").joinpath(f"{name}.py").read_text("utf-8")
