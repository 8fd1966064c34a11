"""What a machine that does not exist yet does by itself at first boot: user-data for cloud-init, and its program."""

import math
import re
import shlex
from base64 import b64encode
from collections.abc import Sequence
from gzip import compress
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from remora.core.devbox.compact import compact_shell
from remora.core.errors import Code, ConfigProblem, UsageProblem
from remora.core.secrets import hide_in_addresses
from remora.core.text import neutralise
from remora.flows.provision.emit.emission import EmittedFile
from remora.flows.provision.emit.program import BOOTSTRAP, marker_step, program
from remora.flows.provision.emit.yaml_text import yaml_text
from remora.flows.provision.steps.alone import AloneStep
from remora.flows.server.shell import shipped
from remora.wire.manifest.host_spec import HostSpec

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
_LEFT_OUT: Final = "sign-in is omitted: user-data holds no secrets; run remora provision or remora login"


def cloud_init_files(
    spec: HostSpec,
    steps: Sequence[AloneStep],
    *,
    user: str | None,
    program_url: str | None,
    operator: str,
    manifest: str,
    version: str,
) -> tuple[tuple[EmittedFile, ...], tuple[str, ...]]:
    """``ALIAS/user-data`` and ``ALIAS/provision.sh`` with notices about that host; raises for what no machine can do.

    With `program_url` user-data has the digest of the program, and the machine fetches it below that address, as
    ``ALIAS/provision.sh``. Where user-data is larger than every cloud takes, ``ALIAS/user-data.gz`` is the smallest
    form that cloud-init reads.
    """
    if user is None or _USER.fullmatch(user) is None:
        raise UsageProblem(
            Code.USAGE,
            "The account of the new machine was not named." if user is None else "No such account.",
            next_step="Name it with --user, as in the image (debian, ubuntu, ec2-user ...).",
        )
    _refuse(spec)
    carried = [(number, step) for number, step in enumerate(steps, 1) if step.kind != "login"]
    has_login = len(carried) < len(steps)
    last = marker_step(steps, left_out=_LEFT_OUT if has_login else None)
    numbered = [(at, step) for at, (_, step) in enumerate(carried, 1)]
    numbered.append((len(numbered) + 1, last))
    text = _BEGIN + program(
        numbered, count=len(steps), digest=spec.digest, operator=operator, last=len(numbered), text_of=_brief
    )
    head = _HEAD.format(version=version, manifest=neutralise(manifest, one_line=True), alias=spec.alias, user=user)
    head += _NO_LOGIN.format(alias=spec.alias) if has_login else ""
    folder = spec.alias.replace("/", "_")
    if program_url is None:
        written = {"encoding": "gz+b64", "content": b64encode(_compressed(text.encode())).decode()}
        data = head.encode() + _document(steps, user, **written)
    else:
        address = f"{program_url.rstrip('/')}/{quote(folder)}/provision.sh"
        data = head.encode() + _document(steps, user, content=_fetcher(address, sha256(text.encode()).hexdigest()))
    notices = []
    if has_login:
        notices.append("sign-in is omitted, because user-data is not secret. Sign in later with: remora login ALIAS")
    files = [
        EmittedFile(f"{folder}/user-data", data),
        EmittedFile(f"{folder}/provision.sh", text.encode(), executable=True),
    ]
    if len(data) > SIZE:
        small = _compressed(head.encode() + _document(steps, user, content=text))  # compressed once is less than twice
        files.append(EmittedFile(f"{folder}/user-data.gz", small))
        notices.append(_advice(len(data), len(small)))
    return tuple(files), tuple(notices)


_BEGIN: Final = (
    "#!/bin/sh\n# Made by remora: brings this account to what its manifest says; run it again and nothing changes.\n"
    '[ "${remora_role-}" = child ] || {\nremora_whole=$(cat -- "$0") remora_given=\n' + BOOTSTRAP + "}\n"
)


def _refuse(spec: HostSpec) -> None:
    for project in spec.tables.projects:
        if project.secrets and project.setup is not None:
            raise _impossible(f"The set-up of {project.folder} needs secrets", "Omit them for this host")
        if project.forward_agent:
            raise _impossible(f"{project.folder} needs the SSH agent of this machine", "Use a repository it can reach")


def secret_in_address(option: str) -> UsageProblem:
    """What `option` says would be read by others."""
    return UsageProblem(
        Code.USAGE,
        f"The part before the @ in {option} may be a secret, and user-data is not secret.",
        next_step="Use an address that needs no password; a digest protects the content.",
    )


def _impossible(what: str, next_step: str) -> ConfigProblem:
    return ConfigProblem(
        Code.MANIFEST_INVALID,
        f"{what}, which a self-provisioning machine does not have.",
        next_step=f"{next_step}, or provision it with remora provision after it has started.",
    )


_FETCHER: Final = """\
#!/bin/sh
# Fetches the program, and runs it when it is the one that was emitted.
new=$(mktemp) && trap 'rm -f -- "$new"' 0 || exit 1
python3 -c '
import hashlib, subprocess, sys, urllib.request
address, digest, place = sys.argv[1:]
with urllib.request.urlopen(address, timeout=60) as answer:
    text = answer.read()
if hashlib.sha256(text).hexdigest() != digest:
    sys.exit(address + " gives another program than the one that was emitted.")
with open(place, "wb") as file:
    file.write(text)
sys.exit(subprocess.run(["/bin/sh", place]).returncode)
' {address} {digest} "$new"
"""


def _fetcher(address: str, digest: str) -> str:
    if hide_in_addresses(address) != address:
        raise secret_in_address("--program-url")
    return _FETCHER.replace("{address}", shlex.quote(address)).replace("{digest}", digest)


def _brief(name: str) -> str:
    return compact_shell(shipped(name))


def _compressed(data: bytes) -> bytes:
    return compress(data, 9, mtime=0)


def _advice(plain: int, small: int) -> str:
    have, zipped, taken = (f"{math.ceil(size / 1024)} KiB" for size in (plain, small, SIZE))
    if small <= SIZE:
        return f"user-data has {have}, and some clouds take {taken} only: give those user-data.gz, {zipped}."
    return (
        f"user-data has {have}, user-data.gz {zipped}, and some clouds take {taken} only: for those put what was "
        "emitted where the machine can read it, and emit again with --program-url and that address."
    )


def _document(steps: Sequence[AloneStep], user: str, **written: str) -> bytes:
    """What cloud-init is to do; `written` is how it is told the program."""
    packages = list(dict.fromkeys(program for step in steps for program in step.programs))
    if any("remora_fetch=wheel:" in step.setting for step in steps):
        packages.append("python3-pip")
    if any("remora_fetch=npm:" in step.setting or "remora_fetch='npm:" in step.setting for step in steps):
        packages.append("npm")
    document: dict[str, Any] = {"packages": packages} if packages else {}
    document["write_files"] = [{"path": _PLACE, "permissions": "0755", **written}]
    document["runcmd"] = [["su", "-", user, "-c", f"/bin/sh {_PLACE}"]]
    return yaml_text(document).encode()
