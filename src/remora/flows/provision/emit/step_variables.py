"""What each step of a host wishes, as variables for the shell that carries it out."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files

from msgspec import UNSET

from remora.core.devbox.provision_step import log_name
from remora.core.errors import Code, ConfigProblem
from remora.core.server.server_limits import make_limits
from remora.core.settings import Limits
from remora.flows.kit.unattended import NoTrustMemory
from remora.flows.provision.emit.compact import compact_python
from remora.flows.provision.step_list import steps_for
from remora.flows.provision.steps.codex_install import VERSION_LIMIT, install_variables, package_variables
from remora.flows.provision.steps.config import CAP
from remora.flows.provision.steps.login import OPTIONS
from remora.flows.provision.steps.project import SetupStep, SmokeStep, assignments
from remora.flows.provision.steps.repository import RepositoryStep, git_variables
from remora.flows.provision.steps.step import Step
from remora.ports import Package, Packages, SecretReader
from remora.wire.manifest.config_merge import merge_config
from remora.wire.manifest.document import CodexSource, CodexTable, FileTable, PathTable, ProjectTable, SecretSource
from remora.wire.manifest.host_spec import HostSpec


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
    for project in spec.tables.projects:
        if project.trust is not None:
            raise _only_from_here(project)
    steps = steps_for(spec, packages=packages, secrets=secrets, trust=NoTrustMemory())
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
        if not table.is_ours:
            variables = {
                "remora_wished_version": table.number,
                "remora_command": table.installer,
                "remora_left_alone": "1" if table.source is CodexSource.NONE else "",
                "remora_limit": VERSION_LIMIT,
                "remora_long": self._long,
            }
            return AloneStep("found", step.name, step.title, variables)
        variables = {**install_variables(table), "remora_fetcher": _program_text("codex_fetch")}
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
            "remora_limit": VERSION_LIMIT,
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
        return {
            "remora_log_name": log_name(step.name),
            "remora_long": str(max(round(limit), 1)) if limit else self._long,
        }


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
    values = {**package_variables(package), "remora_fetch": fetched}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f"{package.platform.name})\n{lines};;\n"


@cache
def _program_text(name: str) -> str:
    return compact_python(files("remora.remote.provision").joinpath(f"{name}.py").read_text("utf-8"))


def _only_from_here(project: ProjectTable) -> ConfigProblem:
    return ConfigProblem(
        Code.MANIFEST_INVALID,
        f"trust of {project.folder} is noted on this machine, which nobody but remora provision can do.",
        next_step="Leave it out for this host, or provision it with remora provision.",
    )
