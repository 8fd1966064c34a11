# Let the user's service manager start the app server after a reboot; what runs now goes on. Needs server_unit.sh.
[ -n "$remora_program" ] || remora_fail tool-missing "codex is not there"
remora_unit_text | remora_replace "$remora_units/$remora_unit" 644 || exit 1
remora_seen=$( (systemctl --user daemon-reload && systemctl --user enable "$remora_unit") 2>&1 </dev/null) ||
  remora_fail step-failed "systemctl --user enable $remora_unit: $remora_seen"
remora_lingers || remora_seen=$(loginctl enable-linger "$remora_account" 2>&1 </dev/null) ||
  remora_tell linger.refused "$remora_seen"
