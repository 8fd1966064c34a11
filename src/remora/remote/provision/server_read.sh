# The app server as it runs, and what would bring it back after a reboot. Needs codex_program.sh, server_find.sh,
# limits_enforced.sh, manager.sh, server_unit.sh and remora_limit (seconds for one codex --version).
remora_ask_version() {
  if command -v timeout >/dev/null 2>&1; then
    remora_as_user env CODEX_HOME=/dev/null timeout -s KILL "$remora_limit" "$1" --version
  else
    remora_as_user env CODEX_HOME=/dev/null "$1" --version
  fi </dev/null 2>/dev/null | head -c 200
}
remora_tell codex "$remora_program"
remora_try_sandbox remora_tell
if [ -n "$remora_pid" ]; then
  remora_tell pid "$remora_pid"
  remora_tell ours "$remora_ours"
  # Its own file, even when another one lies at that place by now.
  remora_seen=$(readlink "/proc/$remora_pid/exe" 2>/dev/null)
  if [ -n "$remora_seen" ] && [ "$remora_seen" != "$(remora_resolve "$remora_program")" ]; then
    remora_tell version "$(remora_ask_version "/proc/$remora_pid/exe")"
    remora_tell version.installed "$(remora_ask_version "$remora_program")"
  fi
  remora_ticks=$(remora_start_time "$remora_pid")
  remora_up=$(cut -d . -f 1 /proc/uptime 2>/dev/null)
  remora_login=$(stat -L -c %Y -- "$remora_home/auth.json" 2>/dev/null)
  if [ -n "$remora_up" ] && [ -n "$remora_login" ]; then
    remora_age=$((remora_up - remora_ticks / $(getconf CLK_TCK 2>/dev/null || echo 100)))
    [ $(($(date +%s) - remora_login)) -ge $((remora_age - 1)) ] || remora_tell login newer
  fi
  [ ! -r "$remora_state/limits" ] || remora_tell wish "$(head -c 1000 -- "$remora_state/limits")"
  remora_then=$(tr '\0' '\n' <"/proc/$remora_pid/environ" 2>/dev/null | grep '^REMORA_LIMITS=') &&
    remora_tell 'then' "${remora_then#*=}"
  remora_tell_enforced "$remora_pid"
fi
if [ "$remora_survive" != 1 ]; then
  ! remora_has_unit || remora_tell unit unwanted
elif remora_find_manager; then
  remora_tell manager 1
  if [ "$(cat -- "$remora_units/$remora_unit" 2>/dev/null)" = "$(remora_unit_text)" ]; then remora_tell unit same; else remora_tell unit other; fi
  remora_tell enabled "$(remora_ask_manager is-enabled "$remora_unit")"
  if remora_lingers; then remora_tell linger yes; else remora_tell linger no; fi
fi
