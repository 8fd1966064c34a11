# Which app server is ours: the one that a launch has noted down, or that of the service of the user's manager, by which
# provisioning brings it back after a reboot. Needs places.sh and lock.sh.
remora_server_note=$remora_run/server-$remora_key
remora_unit=remora-codex.service
remora_units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user

# remora_ask_manager WORD...: systemctl for the services of this user.
remora_ask_manager() (
  [ -n "${XDG_RUNTIME_DIR-}" ] || [ ! -d "/run/user/$remora_user" ] || export XDG_RUNTIME_DIR="/run/user/$remora_user"
  systemctl --user "$@" 2>/dev/null </dev/null
)

# remora_has_unit: provisioning has written a service.
remora_has_unit() { [ "$(head -n 1 -- "$remora_units/$remora_unit" 2>/dev/null)" = '# Written by remora provision.' ]; }

# remora_find_ours: set remora_pid and remora_start to the server that is ours, and remora_managed to 1 when the manager
# has it; fails when none runs.
remora_find_ours() {
  remora_managed= remora_pid= remora_start= remora_on=
  [ ! -r "$remora_server_note" ] || read -r remora_pid remora_start remora_on <"$remora_server_note"
  [ -z "$remora_pid" ] || ! remora_lives "$remora_pid" "$remora_start" "$remora_on" || return 0
  remora_has_unit || return 1
  remora_pid=$(remora_ask_manager show --property=MainPID --value "$remora_unit" | sed -n '/^[1-9][0-9]*$/p')
  [ -n "$remora_pid" ] && remora_start=$(remora_start_time "$remora_pid") && [ -n "$remora_start" ] || return 1
  remora_managed=1
}
