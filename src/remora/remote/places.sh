# Where things are on this machine, in the environment of the login shell: remora_path (its PATH), remora_home (codex's
# home), remora_user, remora_os and remora_processor (the kernel's), remora_machine, remora_run (our log, lock and records: on local disk), remora_key, remora_state
# (our marker, records and logs, one for each machine even where homes are shared). Makes and changes nothing.
remora_path=$PATH
[ -n "$remora_path" ] || remora_path=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$remora_path
if [ -z "${HOME-}" ]; then
  HOME=$(printf %s "$remora_entry" | cut -d : -f 6)
  HOME=${HOME:-/}
  export HOME
fi
remora_home=${CODEX_HOME:-$HOME/.codex}
remora_user=${remora_user:-$(id -u)}
remora_os=$(uname -sm)
remora_processor=${remora_os#* }
remora_os=${remora_os%% *}

remora_machine=
for remora_place in /etc/machine-id /var/lib/dbus/machine-id; do
  [ -n "$remora_machine" ] || [ ! -r "$remora_place" ] || read -r remora_machine <"$remora_place"
done
[ -n "$remora_machine" ] || remora_machine=$(sysctl -n kern.uuid 2>/dev/null)

# remora_may_have FOLDER: it is a folder of ours, or could be made; a link that others may have laid is neither. One that
# is not named from the root on (TMPDIR="~/tmp") would be another folder for each program: it counts for nothing.
remora_may_have() {
  case $1 in /*) ;; *) return 1 ;; esac
  if [ -e "$1" ] || [ -L "$1" ]; then
    [ -d "$1" ] && [ ! -L "$1" ] && [ -w "$1" ] && remora_owns "$1"
  else
    remora_parent=${1%/*}
    while [ ! -e "$remora_parent" ] && [ -n "$remora_parent" ]; do remora_parent=${remora_parent%/*}; done
    [ -d "${remora_parent:-/}" ] && [ -w "${remora_parent:-/}" ]
  fi
}

# remora_disk FORMAT PATH: what stat says of the file system there; nothing where -f means something else to it, as on BSD.
remora_disk() { remora_text=$(stat -f -c "$1" -- "$2" 2>/dev/null) && printf '%s\n' "$remora_text"; }

# One name for each machine that may share a home. Short enough for a socket.
remora_here=${remora_machine:-$(uname -n)}
case $remora_here in *[!A-Za-z0-9.-]*) remora_here=$(printf %s "$remora_here" | tr -c 'A-Za-z0-9.-' _) ;; esac
remora_key=$(printf %s "$remora_home" | cksum)
remora_key=${remora_key%% *}
case ${XDG_STATE_HOME-} in /*) remora_states=$XDG_STATE_HOME/remora ;; *) remora_states=$HOME/.local/state/remora ;; esac
for remora_run in "${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/remora}" "${TMPDIR:-/tmp}/remora-$remora_user" here ''; do
  if [ "$remora_run" = here ]; then
    remora_run=$(printf %s "$remora_here" | cksum)
    remora_run=$remora_states/run-${remora_run%% *}
  fi
  [ -n "$remora_run" ] && [ "${#remora_run}" -le 85 ] || continue
  ! remora_may_have "$remora_run" || break
done

for remora_state in "$remora_states/$remora_here" "${remora_run:+$remora_run/state-$remora_here}" ''; do
  [ -n "$remora_state" ] || continue
  ! remora_may_have "$remora_state" || break
done

# remora_try_sandbox SAY: whether the agent's commands can be confined, said as SAY KEY VALUE.
remora_try_sandbox() {
  if [ "$remora_os" = Linux ]; then
    if ! command -v unshare >/dev/null 2>&1; then
      "$1" sandbox unknown
    elif remora_text=$(unshare -Ur true 2>&1); then
      "$1" sandbox ok
    else
      "$1" sandbox refused
      "$1" sandbox.detail "$remora_text"
      for remora_file in kernel/apparmor_restrict_unprivileged_userns kernel/unprivileged_userns_clone \
        user/max_user_namespaces; do
        [ ! -r "/proc/sys/$remora_file" ] || "$1" sandbox.setting "$remora_file $(cat "/proc/sys/$remora_file")"
      done
    fi
  else
    "$1" sandbox ok
  fi
}
