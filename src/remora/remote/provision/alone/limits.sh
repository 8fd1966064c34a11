# Limits of the app server. Needs remora_wish: lines.
remora_read_limits() { remora_script_manager_limits_read </dev/null; }
remora_judge_limits() {
  if [ "$(remora_one file)" = "$(printf %s "$remora_wish")" ]; then remora_same; else remora_different "$(printf %s "$remora_wish" | tr '\n' ' ')"; fi
}
remora_apply_limits() { remora_script_manager_limits_apply </dev/null; }
