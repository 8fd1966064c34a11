"""A playbook for ansible-core: a task for each step, with what it needs beside it."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.errors import Code, ConfigProblem
from remora.core.text import neutralise
from remora.flows.provision.emit.emission import EmittedFile, archive_name
from remora.flows.provision.emit.program import PLACES, START, marker_step, program
from remora.flows.provision.emit.yaml_text import Block, Unsafe, yaml_text
from remora.flows.provision.steps.alone import AloneStep
from remora.ports import Package
from remora.wire.manifest.document import FileTable, SecretSource
from remora.wire.manifest.host_spec import HostSpec

_ALIAS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*")
_LAST: Final = "(remora_step.stdout_lines | default([], true) | last | default(''))"
_CHANGED: Final = f"{_LAST} is match('remora: (changed|would change)')"
_TEMPLATE: Final = re.compile(r"\{(?=[{%#])")
_READY: Final = "remora: ready: [A-Za-z0-9_-]+ /"
"""A platform and a place, as a host says them: the platform becomes a part of the name of a file here."""
_HEAD: Final = """\
# Made by remora {version} from {manifest}; needs ansible-core alone: ansible-playbook -i inventory.yml playbook.yml
# Run it again and nothing changes. --check shows what would. Secrets are read where it runs, when it runs.
# It holds no secret. Do not edit it: change the manifest, and emit it again.
---
"""


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Hosts that are to be the same."""

    name: str
    specs: Sequence[HostSpec]
    steps: Sequence[AloneStep]


def playbook_files(
    groups: Sequence[TaskGroup],
    shipments: Iterable[Package],
    *,
    operator: str,
    manifest: str,
    version: str,
    ssh_config: str | None,
) -> tuple[EmittedFile, ...]:
    """``playbook.yml``, ``inventory.yml`` and ``files/``."""
    alike: dict[str, list[_Work]] = {}
    emitted: list[EmittedFile] = []
    for group in groups:
        work = _Work(group, operator)
        alike.setdefault(repr(work.tasks), []).append(work)
        emitted.extend(work.files)
    shared = {f"play_{number}": works for number, works in enumerate(alike.values(), 1)}
    plays = [_play(name, works[0].tasks) for name, works in shared.items()]
    emitted.extend(EmittedFile(f"files/{archive_name(package)}", package=package) for package in shipments)
    head = _HEAD.format(version=version, manifest=neutralise(manifest, one_line=True))
    return (
        EmittedFile("playbook.yml", (head + yaml_text(plays)).encode()),
        EmittedFile("inventory.yml", yaml_text(_inventory(shared, ssh_config)).encode()),
        *emitted,
    )


def _play(name: str, tasks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One play for all hosts whose tasks are the same; what is different stands in the variables of their groups."""
    return {
        "name": "Provision devboxes",
        "hosts": name,
        "gather_facts": False,
        "vars": {"ansible_pipelining": True, "remora_start": Block(START)},
        "tasks": tasks,
    }


def _inventory(shared: "Mapping[str, Sequence[_Work]]", ssh_config: str | None) -> dict[str, Any]:
    plays = {
        name: {"children": {work.group.name: _hosts(work, ssh_config) for work in works}}
        for name, works in shared.items()
    }
    return {"all": {"children": plays}}


def _hosts(work: "_Work", ssh_config: str | None) -> dict[str, Any]:
    """The hosts of one group, and what is theirs alone."""
    specs = work.group.specs
    for spec in specs:
        if _ALIAS.fullmatch(spec.alias) is None:
            raise ConfigProblem(
                Code.MANIFEST_INVALID,
                f"The alias {spec.alias!r} is not a valid host name in an Ansible inventory.",
                next_step="Give the host an alias of letters, digits, dots, dashes and underscores.",
            )
    options = [f"-F {shlex.quote(ssh_config)}"] if ssh_config else []
    if any(project.forward_agent for project in specs[0].tables.projects):
        options.append("-o ForwardAgent=yes")
    values = dict(work.variables)
    if options:
        values["ansible_ssh_common_args"] = Unsafe(" ".join(options))
    return {"hosts": {spec.alias: {} for spec in specs}, "vars": values}


class _Work:
    """What is done at the hosts of one group, and what it needs beside the playbook."""

    def __init__(self, group: TaskGroup, operator: str) -> None:
        self.group = group
        self._digest = group.specs[0].digest
        self._operator = operator
        self._count = len(group.steps)
        self.variables: dict[str, Any] = {"remora_files": group.name}
        """What is different for hosts that share a play."""
        self.files: list[EmittedFile] = []
        self.tasks = self._all_tasks()

    def _all_tasks(self) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = []
        steps = self.group.steps
        if any(step.file is not None and not _is_absolute(step.file.path) for step in steps):
            tasks.append(self._places())
        for number, step in enumerate(steps, 1):
            tasks.extend(self._tasks(number, step))
        tasks.extend(self._command(self._count + 1, marker_step(steps)))
        return tasks

    def _tasks(self, number: int, step: AloneStep) -> list[dict[str, Any]]:
        if step.file is not None:
            return self._copy(number, step, step.file)
        if step.brings_archive:
            return self._codex(number, step)
        return self._command(number, step)

    def _script(self, number: int, step: AloneStep) -> str:
        name = f"{number:02}-{step.kind}.sh"
        text = program([(number, step)], count=self._count, digest=self._digest, operator=self._operator, last=number)
        path = f"files/{self.group.name}/{name}"
        if all(file.path != path for file in self.files):
            self.files.append(EmittedFile(path, text.encode()))
        return name

    def _command(self, number: int, step: AloneStep, *, how: str | None = None) -> list[dict[str, Any]]:
        script = _file_lookup(self._script(number, step))
        given = "".join(
            f"'{name} ' ~ ({self._lookup(number, index, source)} | b64encode) ~ '\n' ~ "
            for index, (name, source) in enumerate(step.secrets.items(), 1)
        )
        task: dict[str, Any] = {
            "name": _task_name(step.title),
            "ansible.builtin.command": {
                "argv": [
                    "/bin/sh",
                    "-c",
                    "{{ remora_start }}",
                    "remora",
                    str(number),
                    how or "{{ 'check' if ansible_check_mode else 'apply' }}",
                ],
                "stdin": "{{ " + given + "'\n' ~ " + script + " }}",
                "stdin_add_newline": False,
                "expand_argument_vars": False,
            },
            "register": "remora_step",
            "changed_when": _CHANGED if how is None else False,
            "check_mode": False,
        }
        if step.secrets:
            task["no_log"] = True
        return [task]

    def _lookup(self, number: int, index: int, source: SecretSource) -> str:
        """Where the secret is found on the machine that runs the playbook; a missing one stops the task."""
        variable = f"remora_secret_{number}_{index}"
        if source.environment is not None:
            self.variables[variable] = Unsafe(source.environment)
            return f"lookup('ansible.builtin.env', {variable}, default=undef())"
        if source.file is not None:
            self.variables[variable] = Unsafe(source.file)
            return f"lookup('ansible.builtin.file', {variable})"
        self.variables[variable] = Unsafe(shlex.join(source.command or ()))
        return f"lookup('ansible.builtin.pipe', {variable})"

    def _places(self) -> dict[str, Any]:
        step = AloneStep(kind=PLACES, name=PLACES, title="Find the home of codex")
        (task,) = self._command(0, step, how="check")
        task["register"] = "remora_places"
        self.variables["remora_codex_home"] = (
            "{{ remora_places.stdout_lines | last | regex_replace('^remora: ready: ', '') }}"
        )
        return task

    def _codex(self, number: int, step: AloneStep) -> list[dict[str, Any]]:
        look = self._command(number, step, how="{{ 'check' if ansible_check_mode else 'prepare' }}")[0]
        look["name"] = _task_name(f"{step.title}: read the state")
        look["register"] = "remora_codex"
        said = "(remora_codex.stdout_lines | default([], true) | last | default(''))"
        copy = {
            "name": _task_name(f"{step.title}: the archive"),
            "ansible.builtin.copy": {
                "src": f"{{{{ playbook_dir }}}}/files/codex-{{{{ {said}.split(' ')[2] }}}}.gz",
                "dest": f"{{{{ {said} | regex_replace('^remora: ready: [^ ]+ ', '') }}}}",
                "mode": "0600",
            },
            "when": f"{said} is match('{_READY}')",
        }
        return [look, copy, *self._command(number, step)]

    def _copy(self, number: int, step: AloneStep, table: FileTable) -> list[dict[str, Any]]:
        name = f"content-{number:02}"
        self.files.append(EmittedFile(f"files/{self.group.name}/{name}", (table.content or "").encode()))
        variable = f"remora_path_{number}"
        self.variables[variable] = Unsafe(table.path)
        dest = f"{{{{ {variable} }}}}"
        if not _is_absolute(table.path):
            dest = f"{{{{ remora_codex_home }}}}/{dest}"
        folder = dest.removesuffix("}}") + "| dirname }}" if _is_absolute(table.path) else None
        parent = folder or f"{{{{ (remora_codex_home ~ '/' ~ {variable}) | dirname }}}}"
        return [
            {
                "name": _task_name(f"{step.title}: read its folder"),
                "ansible.builtin.stat": {"path": parent},
                "register": "remora_folder",
            },
            {
                "name": _task_name(f"{step.title}: its folder"),
                "ansible.builtin.file": {
                    "path": parent,
                    "state": "directory",
                    "mode": "0700" if table.mode.endswith("00") else "0755",
                },
                "when": "not remora_folder.stat.exists",
            },
            {
                "name": _task_name(f"{step.title}: read the file"),
                "ansible.builtin.stat": {"path": dest, "follow": True},
                "register": "remora_file",
                "failed_when": "remora_file.stat.exists and not remora_file.stat.isreg",
            },
            {
                "name": _task_name(step.title),
                "ansible.builtin.copy": {
                    "src": f"{{{{ playbook_dir }}}}/files/{{{{ remora_files }}}}/{name}",
                    "dest": dest,
                    "mode": table.mode,
                    "follow": True,
                },
            },
        ]


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "~/"))


def _task_name(title: str) -> str:
    """`title` as the text that it is, where Ansible would take it for a template."""
    return _TEMPLATE.sub("{ ", title)


def _file_lookup(name: str) -> str:
    return f"lookup('ansible.builtin.file', playbook_dir ~ '/files/' ~ remora_files ~ '/{name}', rstrip=False)"
