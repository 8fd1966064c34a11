# Start the app server so that it outlives this session, or find that one is there. Runs in the shell that probed,
# with its functions and environment. Needs lock.sh, sockets.sh, service.sh, confine.sh, remora_codex, remora_socket,
# remora_listen, remora_limit (seconds) and remora_sees_agent (1: also an agent that this session was lent).
# Ends with outcome: started, adopt, exited, timeout, blocked, busy, refused, or moved when its socket has to be elsewhere.
remora_lock=$remora_run/launch-$remora_key
remora_log=$remora_run/server-$remora_key.log
remora_deadline=$(($(date +%s) + remora_limit))
remora_before=$(ls -di -- "$remora_socket" 2>/dev/null)

remora_is_served() { remora_listens "$remora_socket"; }

# Where nobody can tell who listens, a socket that was not there before is the sign.
remora_ready() {
  remora_is_served
  case $? in
    0) return 0 ;;
    2) [ "$(ls -di -- "$remora_socket")" != "$remora_before" ] ;;
    *) return 1 ;;
  esac
}

# remora_try_home: fails when codex's home is no place for its databases. Says then home.problem, or locks.problem and
# locks.place, the kind of file system. A lock that never comes is not waited for: not even a kill may end that.
remora_try_home() {
  remora_file=$remora_home/.remora-lock-$remora_here-$$
  if ! remora_problem=$( (LC_ALL=C; : >"$remora_file") 2>&1); then
    if [ ! -e "$remora_home" ]; then
      remora_problem='it does not exist'
    elif [ ! -d "$remora_home" ]; then
      remora_problem='it is not a folder'
    fi
    remora_emit home.problem "${remora_problem##*"$remora_file": }"
    remora_emit home.path "$remora_home"
    return 1
  fi
  command -v flock >/dev/null 2>&1 || { rm -f -- "$remora_file"; return 0; }
  LC_ALL=C flock -x "$remora_file" true >"$remora_run/locks-$$" 2>&1 </dev/null &
  remora_one=$!
  remora_tries=0
  while kill -0 "$remora_one" 2>/dev/null && [ "$remora_tries" -lt 60 ]; do
    remora_tries=$((remora_tries + 1))
    remora_pause
  done
  if kill -9 "$remora_one" 2>/dev/null; then
    remora_problem='a lock does not come'
  else
    wait "$remora_one" && remora_problem= || remora_problem=$(cat "$remora_run/locks-$$")
  fi
  rm -f -- "$remora_file" "$remora_run/locks-$$"
  [ -n "$remora_problem" ] || return 0
  remora_emit locks.problem "$remora_problem"
  remora_emit locks.place "$(remora_disk %T "$remora_home")"
  return 1
}

remora_stop_ours() {
  kill -TERM "-$remora_pid" 2>/dev/null || kill "$remora_pid" 2>/dev/null
  remora_tries=0
  while kill -0 "$remora_pid" 2>/dev/null && [ "$remora_tries" -lt 30 ]; do
    remora_tries=$((remora_tries + 1))
    remora_pause
  done
  kill -9 "-$remora_pid" 2>/dev/null || kill -9 "$remora_pid" 2>/dev/null
  wait "$remora_pid" 2>/dev/null
}

remora_start() {
  [ ! -S "$remora_socket" ] || remora_emit healed socket
  # What lies there may be a link that somebody laid while the folder was open to others.
  (umask 077 && rm -f -- "$remora_log" "$remora_server_note" && : >"$remora_log") || { remora_outcome=refused; return; }
  [ -n "${CODEX_HOME-}" ] || mkdir -p -- "$HOME/.codex" # below /tmp codex does not make it, and misses it
  remora_claim_place || { remora_outcome=moved; return; }
  remora_detach=$(command -v setsid)
  {
    (
      trap '' HUP
      cd -- "$HOME" || cd /
      remora_confine
      if [ -z "$remora_sees_agent" ] && [ -n "$remora_lent_agent" ] &&
        [ "$(remora_resolve "${SSH_AUTH_SOCK-}")" = "$(remora_resolve "$remora_lent_agent")" ]; then
        unset SSH_AUTH_SOCK
      fi
      PATH=$remora_path
      exec $remora_detach $remora_scope "$remora_codex" app-server --listen "$remora_listen"
    ) </dev/null >>"$remora_log" 2>&1 &
  }
  remora_pid=$!
  remora_emit log "$remora_log"
  remora_doubt=$(($(date +%s) + 3)) # an ordinary server listens by then
  while :; do
    if ! kill -0 "$remora_pid" 2>/dev/null; then
      wait "$remora_pid"
      remora_emit status "$?"
      remora_outcome=exited
      if remora_is_served; then
        remora_outcome=adopt
      elif [ "$remora_listen" = unix:// ] && [ -S "$remora_socket" ] && grep -q 'socket is already in use' "$remora_log"; then
        # Nobody listens there on this machine, and codex was answered: the home is another machine's, too.
        ! remora_leave_place || remora_outcome=moved
      else
        remora_try_home
      fi
      return
    elif remora_ready; then
      remora_first=$(remora_start_time "$remora_pid")
      (umask 077 && printf '%s %s %s\n' "$remora_pid" "$remora_first" "$remora_boot" >"$remora_server_note")
      remora_emit server.pid "$remora_pid"
      remora_emit server.start "$remora_first"
      remora_outcome=started
      return
    elif [ -e "$remora_socket" ] && [ ! -S "$remora_socket" ]; then
      remora_outcome=blocked
      break
    elif [ "$(date +%s)" -ge "$remora_doubt" ]; then
      remora_doubt=$remora_deadline
      if [ "$(date +%s)" -ge "$remora_deadline" ] || ! remora_try_home; then
        remora_outcome=timeout
        break
      fi
    fi
    remora_pause
  done
  remora_stop_ours
}

remora_outcome=refused
if remora_make_run_folder; then
  remora_take_lock '' remora_is_served
  case $? in
    0)
      if remora_is_served; then remora_outcome=adopt; else remora_start; fi
      rm -f -- "$remora_lock"
      ;;
    1) remora_outcome=adopt ;;
    *)
      remora_outcome=busy
      remora_emit holder "$remora_holder"
      ;;
  esac
fi
case $remora_outcome in
  started | adopt)
    remora_emit socket.real "$(remora_resolve "$remora_socket" || printf %s "$remora_socket")"
    for remora_place in "$remora_socket" "${remora_socket%/*}"; do
      remora_emit socket.owner "$(remora_owner "$remora_place") $remora_place"
    done
    ;;
  *)
    remora_limits
    [ ! -s "$remora_log" ] || remora_emit log.tail "$(tail -c 3000 -- "$remora_log")"
    ;;
esac
remora_emit outcome "$remora_outcome"
remora_emit end launch
