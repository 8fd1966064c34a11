# End the app server that we started, and what it runs; any other is left alone. Runs in the shell that probed, with its
# functions. Needs lock.sh, sockets.sh, service.sh, remora_socket and remora_limit (seconds until it is forced).
# Ends with outcome: stopped, absent, foreign or stays.
remora_parents() {
  if [ -r /proc/self/stat ]; then
    cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) [A-Za-z] \([0-9]*\) .*/\1 \2/p'
  else
    ps -A -o pid= -o ppid= 2>/dev/null
  fi
}

# remora_family PID: all that descend from it, each with its start time.
remora_family() {
  remora_parents | awk -v top="$1" '
    { parent[$1] = $2 }
    END { for (one in parent) { above = parent[one]
      while (above != top && above in parent && above > 1) above = parent[above]
      if (above == top) print one } }' | while read -r remora_one; do
    printf '%s %s\n' "$remora_one" "$(remora_start_time "$remora_one")"
  done
}

# remora_wait SECONDS: until the server is gone.
remora_wait() {
  remora_deadline=$(($(date +%s) + $1))
  while remora_lives "$remora_pid" "$remora_start" "$remora_boot"; do
    [ "$(date +%s)" -lt "$remora_deadline" ] || return 1
    remora_pause
  done
}

# remora_end_server SIGNAL: what the manager has it ends itself, and does not bring back.
remora_end_server() {
  [ -z "$remora_managed" ] || remora_ask_manager stop --no-block "$remora_unit"
  [ -n "$remora_managed" ] && [ "$1" = TERM ] || kill "-$1" "$remora_pid" 2>/dev/null
}

# A record in a folder that was open to others may name any process.
remora_is_own_folder "$remora_run" || remora_server_note=/dev/null
if remora_find_ours; then
  remora_left=$(remora_family "$remora_pid")
  remora_end_server TERM
  if ! remora_wait "$remora_limit"; then
    remora_left=$(remora_family "$remora_pid")
    remora_end_server KILL
    remora_wait "$remora_limit"
  fi
  for remora_signal in TERM KILL; do
    printf '%s\n' "$remora_left" | while read -r remora_one remora_then; do
      ! remora_lives "$remora_one" "$remora_then" "$remora_boot" || kill "-$remora_signal" "$remora_one" 2>/dev/null
    done
    [ "$remora_signal" = KILL ] || [ -z "$remora_left" ] || remora_pause
  done
  if remora_lives "$remora_pid" "$remora_start" "$remora_boot"; then
    remora_emit server.pid "$remora_pid"
    remora_outcome=stays
  else
    [ -n "$remora_managed" ] || rm -f -- "$remora_server_note"
    remora_outcome=stopped
  fi
else
  remora_listens "$remora_socket"
  case $? in
    1) remora_outcome=absent ;;
    *) remora_outcome=foreign ;;
  esac
fi
remora_emit outcome "$remora_outcome"
remora_emit end stop
