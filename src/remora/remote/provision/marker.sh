# The ready marker: what became of provisioning here. Needs lock.sh and remora_state.

# remora_emit_marker: answers marker.KEY for each of its lines "KEY=VALUE"; nothing where there is none.
remora_emit_marker() {
  [ -n "$remora_state" ] && [ -r "$remora_state/provision" ] || return 0
  head -c 8192 -- "$remora_state/provision" | {
    while IFS= read -r remora_line; do
      remora_emit "marker.${remora_line%%=*}" "${remora_line#*=}"
      # shellcheck disable=SC2086
      case $remora_line in holder=*) ! remora_lives ${remora_line#holder=} || remora_emit marker.alive 1 ;; esac
    done
  }
}
