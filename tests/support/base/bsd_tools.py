"""Programs as macOS and the other BSDs have them, in the place of this machine's: what only GNU's know is refused.

Each is a small script around the real program, which `AccountSshd(programs=...)` puts over it. The options are those of
macOS 14; a word that is none of them ends with status 64 and a sentence, as a test sees best what was asked.
"""

from collections.abc import Mapping
from typing import Final

NOT_THERE: Final = (
    *("flock", "getent", "loginctl", "setsid", "sha256sum", "systemctl", "systemd-run", "timeout", "unshare", "zstd"),
)
"""What a macOS has not."""

_OPTIONS: Final[Mapping[str, str]] = {
    "chmod": "CEHLNPRafhinv",
    "cp": "HLPRXacfinpvx",
    "cut": "b:c:d:f:nsw",
    "date": "Rf:jnr:uv:",
    "df": "PTabghiklmnt:",
    "find": "EHLPXdf:sx",
    "grep": "A:B:C:D:EFGHILOSUVXZabcd:e:f:hilm:nopqRrsvwxyz",
    "head": "c:n:",
    "ln": "Ffhinsvw",
    "ls": "1@ABCFGHILOPRSTUW%abcdefghiklmnopqrstuvwxy",
    "mkdir": "m:pv",
    "mktemp": "dp:qt:u",
    "mv": "fhinv",
    "od": "A:BDHILN:OXabcdefhij:lost:vx",
    "ps": "AEG:Lacdefghjlmo:O:p:rSt:TU:u:vwxX",
    "readlink": "n",
    "rm": "IPRWdfirvx",
    "sed": "Eae:f:lnu",
    "sort": "CMRST:bcdfghik:mno:rst:u",
    "stat": "FLf:lnqrst:x",
    "tail": "Fb:c:fn:qr",
    "tee": "ai",
    "touch": "A:acd:fhmr:t:",
    "tr": "CcSdsu",
    "wc": "Lclmw",
}
"""For each program what it takes, as ``getopts`` reads it. readlink has no ``-f`` here: older ones do not know it."""

_BEFORE: Final[Mapping[str, str]] = {
    "date": 'case "$*" in *%N* | *%:z*) refuse "$*" ;; esac\n',
    "find": (
        "for word; do\n"
        "  case $word in\n"
        "    -printf | -fprintf | -regextype | -readable | -writable | -executable | -xtype) refuse $word ;;\n"
        "  esac\n"
        "done\n"
        'case ${1-} in "" | -[!EHLPXdfsx]* | ! | "(") refuse "no path" ;; esac\n'
    ),
    "head": "for word; do case $word in -*[nc]-* | -[0-9]*) refuse $word ;; esac; done\n",
}

_RUN: Final[Mapping[str, str]] = {
    "mv": ('case $1 in\n  -*h*) shift; exec "$real" -fT "$@" ;;\nesac\nexec "$real" "$@"\n'),
    "ps": (
        '[ -r /proc/self/stat ] || exec "$gnu/unshare" -m "$gnu/dash" -c '
        '\'busybox umount /proc && exec "$@"\' ps "$real" "$@"\n'
        'exec "$real" "$@"\n'
    ),
    "sed": 'exec "$real" --posix "$@"\n',
    "stat": """follow= form=
while getopts FLf:lnqrst:x option; do
  case $option in
    L) follow=-L ;;
    f) form=$OPTARG ;;
  esac
done
shift $((OPTIND - 1))
[ -n "$form" ] || refuse "no format"
form=$("$gnu/sed" 's/%Lp/%a/g; s/%z/%s/g; s/%Fm/%.Y/g; s/%Fc/%.Z/g; s/%N/%n/g; s/%m/%Y/g' <<END
$form
END
)
"$real" $follow -c "$form" -- "$@"
[ $? = 0 ] || exit 1
""",
    "wc": '"$real" "$@" | "$gnu/sed" "s/^ */       /"\n',
}


def bsd_programs() -> Mapping[str, str]:
    """By name, what stands in the place of the real one."""
    return {name: _script(name, options) for name, options in _OPTIONS.items()}


def _script(name: str, options: str) -> str:
    return f"""real=$gnu/{name}
export POSIXLY_CORRECT=1
refuse() {{ echo "{name}: illegal option: $1" >&2; exit 64; }}
{_BEFORE.get(name, "")}while getopts :{options} option; do
  case $option in
    "?" | :) refuse "$OPTARG" ;;
  esac
done
OPTIND=1
{_RUN.get(name, 'exec "$real" "$@"' + chr(10))}"""
