# Functions that every other script here uses. Needs remora_nonce. Plain POSIX sh; each answer is one line
# "<nonce>key=value", or "<nonce>key~hex" when the value is not plain, with a newline of its own before it.
[ -z "${ZSH_VERSION-}" ] || emulate sh
# A bash that is called sh takes more than variables from the environment of a start-up file: options (SHELLOPTS),
# functions with the names of programs, and a time after which each `read` gives up (TMOUT), which watchers would take
# for the end of our input.
set +Cefux
unset TMOUT
[ -z "${BASH_VERSION-}" ] || while read -r _ _ remora_name; do unset -f -- "$remora_name"; done <<END
$(declare -F)
END
remora_mark="<$remora_nonce>"
remora_inherited=$PATH
remora_lent_agent=${remora_lent_agent-${SSH_AUTH_SOCK-}}
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH

remora_emit() {
  case $2 in
    *[!-_A-Za-z0-9/.:,=+@%\ ]*)
      printf '\n%s%s~%s\n' "$remora_mark" "$1" "$(printf %s "$2" | od -An -v -tx1 | tr -d ' \n')"
      ;;
    *) printf '\n%s%s=%s\n' "$remora_mark" "$1" "$2" ;;
  esac
}

# remora_limits: how many processes and how much memory the account, this session or its groups may have. The shell does
# it all by itself: it is asked when no other process can be started.
remora_limits() {
  [ -r /proc/self/limits ] || return 0
  while IFS=' ' read -r _ remora_kind remora_third remora_fourth _; do
    case $remora_kind in
      processes) remora_emit limit.processes "$remora_third" ;;
      address) remora_emit limit.memory "$remora_fourth" ;;
    esac
  done </proc/self/limits
  while IFS=: read -r _ remora_kind remora_group; do
    case $remora_kind in
      '') ;;
      pids | memory) remora_kind=/$remora_kind ;;
      *) continue ;;
    esac
    while :; do
      remora_within limit.processes "/sys/fs/cgroup$remora_kind$remora_group/pids.max"
      remora_within limit.memory "/sys/fs/cgroup$remora_kind$remora_group/memory.max"
      remora_within limit.memory "/sys/fs/cgroup$remora_kind$remora_group/memory.limit_in_bytes"
      [ -n "$remora_group" ] || break
      remora_group=${remora_group%/*}
    done
  done 2>/dev/null </proc/self/cgroup
}
remora_within() {
  [ ! -r "$2" ] || { read -r remora_most <"$2" && remora_emit "$1" "$remora_most"; }
}
trap remora_limits 0 # a shell that cannot start a process may end because of that

# remora_suspects PATTERN FILE...: say which lines of rc files look like what went wrong.
remora_suspects() {
  remora_pattern=$1
  shift
  for remora_file in "$@"; do
    [ -f "$remora_file" ] && [ -r "$remora_file" ] || continue
    grep -nE -- "$remora_pattern" "$remora_file" 2>/dev/null | grep -vE '^[0-9]+:[[:space:]]*#' | head -n 3 | while IFS= read -r remora_found; do
      remora_emit suspect "$remora_file:$remora_found"
    done
  done
}

# remora_start_time PID: when that process started, in whatever unit; nothing when it is gone or only not waited for.
remora_start_time() {
  if [ -r /proc/self/stat ]; then
    remora_stat=
    { while read -r remora_line; do remora_stat="$remora_stat $remora_line"; done <"/proc/$1/stat"; } 2>/dev/null
    # shellcheck disable=SC2086
    set -- ${remora_stat##*') '}
    case ${1-} in '' | [ZX]) return ;; esac
    [ "$#" -lt 20 ] || echo "${20}"
  else
    ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_'
  fi
}

remora_boot_id() {
  if { read -r remora_line </proc/sys/kernel/random/boot_id; } 2>/dev/null; then
    echo "$remora_line"
  else
    sysctl -n kern.bootsessionuuid 2>/dev/null
  fi
}

remora_owner() {
  stat -L -c %u -- "$1" 2>/dev/null || stat -L -f %u -- "$1" 2>/dev/null
}

# remora_owns PATH: it is there and ours. The shell knows that by itself, unless it is a very plain one.
remora_owns() {
  [ -O "$1" ] 2>/dev/null || { [ -e "$1" ] && [ "$(remora_owner "$1")" = "$(id -u)" ]; }
}

# remora_resolve PATH: print it with all links followed, as far as it is there. No readlink -f: older systems do not have it,
# and others fail for a file that is not there yet.
remora_resolve() (
  unset CDPATH
  remora_at=$1 remora_rest= remora_links=40
  [ -n "$remora_at" ] || exit 1
  until cd -P -- "$remora_at" 2>/dev/null; do
    if [ -L "$remora_at" ]; then
      remora_links=$((remora_links - 1))
      [ "$remora_links" -gt 0 ] && remora_lead=$(readlink -- "$remora_at") || exit 1
      case $remora_lead in
        /*) remora_at=$remora_lead ;;
        *) remora_at=${remora_at%"${remora_at##*/}"}$remora_lead ;;
      esac
    else
      remora_rest=/${remora_at##*/}$remora_rest
      case $remora_at in
        */*) remora_at=${remora_at%/*} ;;
        *) remora_at=. ;;
      esac
      remora_at=${remora_at:-/}
    fi
  done
  remora_at=$(pwd -P)
  remora_at=${remora_at%/}$remora_rest
  printf '%s\n' "${remora_at:-/}"
)

# remora_listener PATH: the inode of the socket that listens there, by whatever name it was bound, since a home may be a
# link; fails with 1 when none does, with 2 when nobody can tell.
remora_listener() {
  [ -r /proc/net/unix ] || return 2
  remora_true=$(remora_resolve "$1" || printf %s "$1")
  remora_last=${remora_true##*/}
  grep -F -- "/$remora_last" /proc/net/unix | {
    while read -r _ _ _ remora_flags _ _ remora_inode remora_bound; do
      [ "$remora_flags" = 00010000 ] && [ "${remora_bound##*/}" = "$remora_last" ] || continue
      if [ "$remora_bound" = "$remora_true" ] || [ "$(remora_resolve "$remora_bound")" = "$remora_true" ]; then
        echo "$remora_inode"
        exit 0
      fi
    done
    exit 1
  }
}

# remora_is_own_folder FOLDER: it is a real folder, ours, and closed to others.
remora_is_own_folder() {
  [ -d "$1" ] && [ ! -L "$1" ] && remora_owns "$1" && chmod 700 "$1" 2>/dev/null
}

# remora_bounded PROGRAM WORD...: ask a program of the user's, a codex above all, within remora_limit seconds. Without a
# home of its own codex writes nothing: otherwise each --version leaves a folder behind. It ends the subshell in which its
# answer is wanted. Needs remora_path.
remora_bounded() {
  set -- env "PATH=$remora_path" CODEX_HOME=/dev/null "$@"
  exec </dev/null 2>&1
  if command -v timeout >/dev/null 2>&1; then
    timeout -s KILL "$remora_limit" "$@" &
  elif command -v perl >/dev/null 2>&1; then
    perl -e 'setpgrp; alarm shift; exec @ARGV' "$remora_limit" "$@" &
  else
    exec "$@"
  fi
  wait "$!" 2>/dev/null
  remora_status=$?
  kill -9 "-$!" 2>/dev/null # what a wrapper leaves in the background would hold its answer open
  exit "$remora_status"
}
