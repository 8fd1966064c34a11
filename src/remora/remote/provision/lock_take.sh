# Take this machine's lock for provisioning, for remora_operator, within remora_wait seconds. Answers lock: taken, busy
# (with holder) or nowhere. It stands in the shell that ran this, and counts as long as that shell lives. With
# remora_over, who holds it with that text is ended first: nobody is behind that connection any more, though this host
# cannot know.

# remora_end_holder PID START BOOT...: end that process, gently and then for good.
remora_end_holder() {
  remora_tries=0
  while remora_lives "$1" "$2" "$3" && [ "$remora_tries" -lt 60 ]; do
    [ "$remora_tries" -gt 0 ] || kill "$1" 2>/dev/null
    remora_tries=$((remora_tries + 1))
    remora_pause
  done
  ! remora_lives "$1" "$2" "$3" || kill -9 "$1" 2>/dev/null
}

if remora_make_run_folder; then
  remora_lock=$remora_run/provision-$remora_here
elif [ -n "$remora_state" ] && (umask 077 && mkdir -p -- "$remora_state") 2>/dev/null; then
  remora_lock=$remora_state/lock
else
  remora_lock=
fi
if [ -n "${remora_over-}" ] && [ "$(readlink -- "$remora_lock" 2>/dev/null)" = "$remora_over" ]; then
  # shellcheck disable=SC2086
  remora_end_holder $remora_over
fi
remora_deadline=$(($(date +%s) + remora_wait))
if [ -z "$remora_lock" ]; then
  remora_tell lock nowhere
elif remora_take_lock "$remora_operator"; then
  remora_tell lock taken
else
  remora_tell lock busy
  remora_tell holder "$remora_holder"
fi
