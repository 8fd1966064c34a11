"""What a machine that does not exist yet does by itself at first boot: user-data for cloud-init, and its program."""

import re
from base64 import b64encode
from collections.abc import Sequence
from gzip import compress
from typing import Any, Final

from remora.core.errors import Code, ConfigProblem, UsageProblem
from remora.flows.provision.emit.emission import EmittedFile
from remora.flows.provision.emit.program import BOOTSTRAP, marker_step, program
from remora.flows.provision.emit.wishes import AloneStep
from remora.flows.provision.emit.yaml_text import yaml_text
from remora.wire.host_spec import HostSpec

SIZE: Final = 16 * 1024
"""Bytes of user-data that every cloud takes."""
_PLACE: Final = "/var/lib/remora/provision.sh"
_USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_HEAD: Final = """\
#cloud-config
# Made by remora {version} from {manifest} for {alias}; the program runs as {user}.
# It holds no secret: whoever may read the machine's metadata may read this.
"""
_NO_LOGIN: Final = "# Login is left out because of that. Sign it in later: remora provision, or remora login {alias}\n"
_LEFT_OUT: Final = "sign-in is left out: user-data holds no secrets; run remora provision or remora login"


def cloud_init_files(
    spec: HostSpec, steps: Sequence[AloneStep], *, user: str | None, operator: str, manifest: str, version: str
) -> tuple[tuple[EmittedFile, ...], tuple[str, ...]]:
    """``ALIAS/user-data`` and ``ALIAS/provision.sh`` with notices; raises for what no machine can do by itself."""
    if user is None or _USER.fullmatch(user) is None:
        raise UsageProblem(
            Code.USAGE,
            "The account that the new machine is provisioned for is not named." if user is None else "No such account.",
            next_step="Name it with --user, as the image calls it (debian, ubuntu, ec2-user ...).",
        )
    _refuse(spec)
    carried = [(number, step) for number, step in enumerate(steps, 1) if step.kind != "login"]
    has_login = len(carried) < len(steps)
    last = marker_step(steps, left_out=_LEFT_OUT if has_login else None)
    numbered = [(at, step) for at, (_, step) in enumerate(carried, 1)]
    numbered.append((len(numbered) + 1, last))
    text = _BEGIN + program(numbered, count=len(steps), digest=spec.digest, operator=operator, last=len(numbered))
    data = _user_data(spec.alias, steps, text, user=user, manifest=manifest, version=version, has_login=has_login)
    notices = []
    if has_login:
        notices.append(
            f"{spec.alias}: login is left out, for others can read user-data; run: remora login {spec.alias}"
        )
    if len(data) > SIZE:
        notices.append(
            f"{spec.alias}: user-data has {len(data)} bytes, and some clouds take {SIZE} only: compressed it has "
            f"{len(compress(data, 9, mtime=0))} (user-data.gz), or give the cloud an #include of its address."
        )
    folder = spec.alias.replace("/", "_")
    files = [
        EmittedFile(f"{folder}/user-data", data),
        EmittedFile(f"{folder}/provision.sh", text.encode(), executable=True),
    ]
    if len(data) > SIZE:
        files.append(EmittedFile(f"{folder}/user-data.gz", compress(data, 9, mtime=0)))
    return tuple(files), tuple(notices)


_BEGIN: Final = (
    "#!/bin/sh\n# Made by remora: brings this account to what its manifest says; run it again and nothing changes.\n"
    '[ "${remora_role-}" = child ] || {\nremora_whole=$(cat -- "$0") remora_given=\n' + BOOTSTRAP + "}\n"
)


def _refuse(spec: HostSpec) -> None:
    for project in spec.tables.projects:
        if project.secrets and project.setup is not None:
            raise _impossible(f"The set-up of {project.folder} needs secrets", "Leave them out for this host")
        if project.forward_agent:
            raise _impossible(f"{project.folder} needs the SSH agent of this machine", "Use a repository it can reach")


def _impossible(what: str, next_step: str) -> ConfigProblem:
    return ConfigProblem(
        Code.MANIFEST_INVALID,
        f"{what}, which a machine that sets itself up does not have.",
        next_step=f"{next_step}, or provision it with remora provision once it is there.",
    )


def _user_data(
    alias: str, steps: Sequence[AloneStep], text: str, *, user: str, manifest: str, version: str, has_login: bool
) -> bytes:
    kinds = {step.kind for step in steps}
    packages = ["git"] if "repository" in kinds else []
    if any("remora_fetch=wheel:" in step.setting for step in steps):
        packages.append("python3-pip")
    if any("remora_fetch=npm:" in step.setting or "remora_fetch='npm:" in step.setting for step in steps):
        packages.append("npm")
    written = {
        "path": _PLACE,
        "permissions": "0755",
        "encoding": "gz+b64",
        "content": b64encode(compress(text.encode(), 9, mtime=0)).decode(),
    }
    document: dict[str, Any] = {"packages": packages} if packages else {}
    document["write_files"] = [written]
    document["runcmd"] = [["su", "-", user, "-c", f"/bin/sh {_PLACE}"]]
    head = _HEAD.format(version=version, manifest=manifest.replace("\n", " "), alias=alias, user=user)
    return (head + (_NO_LOGIN.format(alias=alias) if has_login else "") + yaml_text(document)).encode()
