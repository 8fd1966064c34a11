# codex as the login shell finds it. Needs remora_wished_version (nothing: any), remora_command (nothing: no installer),
# remora_alone (1: whatever is there, even nothing).
remora_read_found() { remora_script_codex_found_codex_version </dev/null; }
remora_judge_found() {
  remora_seen=$(remora_one first.version)
  if [ -n "$remora_left_alone" ]; then
    remora_same 'unchanged'
  elif remora_said first && [ "$(remora_one first.status)" = 0 ] && {
    [ -z "$remora_wished_version" ] || case " $remora_seen " in *" $remora_wished_version "*) ;; *) false ;; esac
  }; then
    remora_same "$remora_seen at $(remora_one first)"
  elif [ -n "$remora_command" ]; then
    remora_different "the host's own installer runs"
  elif remora_said first; then
    remora_blocked codex-unusable "$(remora_one first) does not run: $remora_seen"
  else
    remora_blocked codex-missing 'codex is not on the PATH of the login shell, and the manifest names no version to install'
  fi
}
remora_apply_found() { remora_run_long remora_script_codex_command codex "$remora_long" remora_command </dev/null; }
