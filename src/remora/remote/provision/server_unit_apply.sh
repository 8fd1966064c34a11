# Let the user's service manager start the app server after a reboot, or not any more; what runs now goes on. Needs
# manager.sh, server_unit.sh and remora_survive.
[ -n "${XDG_RUNTIME_DIR-}" ] || export XDG_RUNTIME_DIR="/run/user/$remora_user"
remora_tell_manager() {
  remora_seen=$(systemctl --user "$@" 2>&1 </dev/null) || remora_fail step-failed "systemctl --user $*: $remora_seen"
}
if [ "$remora_survive" = 1 ]; then
  [ -n "$remora_program" ] || remora_fail tool-missing "codex is not installed"
  remora_find_manager || remora_fail tool-missing "the service manager of the account (systemd --user) stopped answering"
  remora_unit_text | remora_replace "$remora_units/$remora_unit" 644 || exit 1
  remora_tell_manager daemon-reload
  remora_tell_manager enable "$remora_unit"
  remora_linger
else
  rm -f -- "$remora_units/$remora_unit" "$remora_units/default.target.wants/$remora_unit"
  ! remora_find_manager || remora_tell_manager daemon-reload
fi
