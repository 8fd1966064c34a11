# The last step: the ready marker. Needs remora_readiness and remora_marked.
remora_read_marker() { remora_emit_marker; }
remora_judge_marker() {
  if [ "$(cat "$remora_work/answers/marker.readiness" 2>/dev/null)" = "$remora_readiness" ] &&
    [ "$(cat "$remora_work/answers/marker.digest" 2>/dev/null)" = "$(printf '%s\n' "$remora_marked" | sed -n 's/^digest=//p')" ]; then
    remora_same "$remora_readiness"
  else
    remora_different "$remora_readiness"
  fi
  rm -f -- "$remora_work"/answers/marker.*
}
remora_apply_marker() { remora_mark "readiness=$remora_readiness"; }
