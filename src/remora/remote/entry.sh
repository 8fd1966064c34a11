# The first thing that runs: prove that this is the shell we asked for, then take over the environment of the
# account's login shell, started as login and interactive shell. $1 is the nonce; nobody else passes it.
remora_account=${LOGNAME:-${USER:-}}
remora_user=$(id -u)
[ -n "$remora_account" ] && [ "$(id -u "$remora_account" 2>/dev/null)" = "$remora_user" ] || remora_account=$(id -un)
remora_entry=$(getent passwd "$remora_account" 2>/dev/null || grep "^$remora_account:" /etc/passwd 2>/dev/null)
remora_shell=${remora_entry##*:}
[ -n "$remora_shell" ] || remora_shell=$(dscl . -read "/Users/$remora_account" UserShell 2>/dev/null | sed 's/.* //')
[ -n "$remora_shell" ] || remora_shell=${SHELL:-/bin/sh}
remora_emit entry.account "$remora_account"
remora_emit entry.shell "$remora_shell"

# Which files the login shell reads: remora_always for any command, remora_full for a login and interactive shell.
remora_fish=${XDG_CONFIG_HOME:-$HOME/.config}/fish
case ${remora_shell##*/} in
  bash)
    remora_always=$HOME/.bashrc
    set -- "$1" "$HOME/.bashrc" "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.profile"
    ;;
  zsh)
    remora_always=${ZDOTDIR:-$HOME}/.zshenv
    remora_fish=${ZDOTDIR:-$HOME}
    set -- "$1" "$remora_fish/.zshenv" "$remora_fish/.zprofile" "$remora_fish/.zshrc" "$remora_fish/.zlogin"
    ;;
  fish)
    remora_always=$remora_fish/config.fish
    set -- "$1" "$remora_fish/config.fish" "$remora_fish"/conf.d/*.fish
    ;;
  *csh)
    remora_always=$HOME/.tcshrc
    [ -f "$remora_always" ] || remora_always=$HOME/.cshrc
    set -- "$1" "$remora_always" "$HOME/.login"
    ;;
  *)
    remora_always=$HOME/.profile
    set -- "$1" "$HOME/.profile" ${ENV:+"$ENV"}
    ;;
esac
remora_execs='(^|[;&|({[:space:]])exec[[:space:]]+[^<>&0-9{]'
remora_reads='(^|[;&|({[:space:]])(read|select|vared|cat|input)([[:space:]]|$)|\$<'

if [ "$1" != "$remora_nonce" ]; then
  remora_emit entry.replaced "${0##*/}"
  remora_suspects "$remora_execs" "$remora_always" /etc/bash.bashrc /etc/zsh/zshenv /etc/csh.cshrc
  remora_emit end entry
  exit 0
fi
remora_swallowed=$((8 - ${remora_1:-0} - ${remora_2:-0} - ${remora_3:-0} - ${remora_4:-0} - ${remora_5:-0} - \
  ${remora_6:-0} - ${remora_7:-0} - ${remora_8:-0}))
if [ "$remora_swallowed" != 0 ]; then
  remora_emit entry.swallowed "$remora_swallowed"
  remora_suspects "$remora_reads" "$remora_always" /etc/bash.bashrc /etc/zsh/zshenv /etc/csh.cshrc
  remora_emit end entry
  exit 0
fi

# bash as login shell reads .bashrc only when a profile says so; people put things there all the same.
remora_bashrc=
if [ "${remora_shell##*/}" = bash ] && [ -r "$HOME/.bashrc" ]; then
  remora_bashrc=$HOME/.bashrc
  for remora_file in "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.profile"; do
    [ -r "$remora_file" ] || continue
    while read -r remora_line || [ -n "$remora_line" ]; do
      case $remora_line in *bashrc*) remora_bashrc= ;; esac
    done <"$remora_file"
    break
  done
fi

# The shell becomes /bin/sh, which writes the environment down; no quoting layer of the shell's own is needed.
remora_dump='{ command printf "\n%s\n" "${remora_mark}env"; export -p; command printf "\n%s\n" "${remora_mark}vne"; } >&"$remora_to"'
remora_become='exec /bin/sh -c '\''eval "$remora_dump"'\'
remora_read='[ -z "$remora_bashrc" ] || . "$remora_bashrc"'
remora_detach=$(command -v setsid 2>/dev/null)
exec 7>&1 9<&0

# remora_capture HOW: start the login shell and print its environment between two marks. With `words` the command
# is an argument, rc files find nothing to read, and what they print goes to standard error, apart from the answer.
# With `stdin` the command is on standard input: for csh, which takes no command as a login shell, and for a shell
# that an rc file puts in the place of the first. A line or the end of our input stops it, with all its children.
remora_capture() (
  case $1 in
    words) remora_to=0 ;;
    stdin) remora_to=1 ;;
  esac
  PATH=$remora_inherited
  export remora_mark remora_dump remora_to remora_bashrc
  exec 8>&1
  case $1:${remora_shell##*/} in
    words:bash)
      $remora_detach "$remora_shell" -l -i -c "$remora_read; $remora_become" 0>&8 1>&2 7>&- 8>&- 9<&- &
      ;;
    words:*) $remora_detach "$remora_shell" -l -i -c "$remora_become" 0>&8 1>&2 7>&- 8>&- 9<&- & ;;
    stdin:*csh) printf '%s\n' "$remora_become" | $remora_detach "$remora_shell" -l 7>&- 8>&- 9<&- & ;;
    stdin:bash)
      printf '%s\n' "$remora_read" "$remora_become" | $remora_detach "$remora_shell" -l -i 7>&- 8>&- 9<&- &
      ;;
    stdin:*) printf '%s\n' "$remora_become" | $remora_detach "$remora_shell" -l -i 7>&- 8>&- 9<&- & ;;
  esac
  remora_pid=$!
  (
    read -r remora_stop <&9
    kill -9 "-$remora_pid" || kill -9 "$remora_pid"
    remora_emit env.stopped 1 >&7
  ) >/dev/null 2>&1 8>&- &
  remora_watch=$!
  wait "$remora_pid" 2>/dev/null
  remora_status=$?
  kill "$remora_watch" 2>/dev/null
  wait "$remora_watch" 2>/dev/null
  remora_emit env.status "$remora_status" >&7
)
# Between the marks, without what is the shell's own.
remora_only="/^${remora_mark}env\$/,/^${remora_mark}vne\$/{
/^export SHELLOPTS=/d
/^export BASHOPTS=/d
/^export PPID=/d
/^export UID=/d
/^export EUID=/d
/^export TMOUT=/d
/^export _=/d
p
}
/^${remora_mark}vne\$/q"

remora_emit entry.ready 1
case ${remora_shell##*/} in
  *csh) remora_env= ;;
  *) remora_env=$(remora_capture words | sed -n "$remora_only") ;;
esac
case $remora_env in
  *"${remora_mark}vne") ;;
  *) remora_env=$(remora_capture stdin | sed -n "$remora_only") ;;
esac
exec 7>&- 9<&-
case $remora_env in
  *"${remora_mark}vne")
    remora_env=${remora_env#"${remora_mark}env"}
    eval "${remora_env%"${remora_mark}vne"}"
    unset remora_env remora_dump remora_to remora_bashrc remora_mark
    remora_mark="<$remora_nonce>"
    remora_emit env 1
    ;;
  *)
    shift
    remora_limits
    remora_suspects "$remora_execs" "$@"
    remora_emit end entry
    exit 0
    ;;
esac
