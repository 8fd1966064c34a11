# Run remora_text, shell text that may take long, in a session of its own; its output goes to our standard output and
# into a log. With remora_size it says go and takes so many bytes of secret, which become the text's standard input.
# It ends with our side of the channel, and after remora_limit seconds. Needs common.sh, lock.sh and remora_name.
remora_secret=
if [ "$remora_size" -gt 0 ]; then
  remora_emit "$remora_step.go" 1
  remora_secret=$(head -c "$remora_size" <&8 && echo .)
  remora_secret=${remora_secret%.}
fi
remora_log=$remora_state/$remora_name.log
[ -n "$remora_state" ] && (umask 077 && mkdir -p -- "$remora_state" && rm -f -- "$remora_log" && : >"$remora_log") 2>/dev/null ||
  remora_log=/dev/null
remora_tell log "$remora_log"
remora_make_run_folder || remora_run=$remora_state
remora_pipe=$remora_run/output-$$
rm -f -- "$remora_pipe"
remora_made=$( (umask 077 && mkfifo -- "$remora_pipe") 2>&1) || remora_blame "$remora_run" "$remora_made"
remora_alone=
if command -v setsid >/dev/null 2>&1; then
  remora_alone=setsid
elif command -v perl >/dev/null 2>&1; then
  remora_alone="perl -e setpgrp;exec@ARGV"
fi

# remora_end_run: end the group of the text, gently and then for good.
remora_end_run() {
  kill -TERM "-$remora_pid" 2>/dev/null || kill "$remora_pid" 2>/dev/null
  remora_tries=0
  while kill -0 "-$remora_pid" 2>/dev/null && [ "$remora_tries" -lt 60 ]; do
    remora_tries=$((remora_tries + 1))
    remora_pause
  done
  kill -9 "-$remora_pid" 2>/dev/null || kill -9 "$remora_pid" 2>/dev/null
}

trap '' PIPE # a cut connection must not end who cleans up
# Whatever of this is killed, nothing that stays may hold our side of the channel: whoever waits there would wait on. So tee
# finds the pipe open, and the timer says nothing itself.
exec 5>&1 9<&8 4<>"$remora_pipe"
tee -- "$remora_log" <"$remora_pipe" 4>&- 5>&- 8<&- 9<&- &
remora_tee=$!
printf '%s' "$remora_text" | (
  exec 3<&0
  trap - PIPE
  # The text comes by a descriptor of its own: no argument, no file, and standard input stays free. Without 3<&3 a Korn
  # shell would close it when the program begins.
  printf '%s' "$remora_secret" |
    $remora_alone /bin/sh -c 'remora_text=$(cat <&3) && exec 3<&- && eval "$remora_text"' 3<&3 >"$remora_pipe" 2>&1 4>&- 8<&- 9<&- &
  remora_pid=$!
  trap '' PIPE
  exec 3<&- 4>&-
  (
    read -r remora_word <&9
    remora_end_run
  ) >/dev/null 2>&1 5>&- &
  remora_watcher=$!
  (
    # The order to end may come right behind the start of sleep, before a variable could have its id: so the trap asks $!.
    remora_early=1
    remora_before=$!
    trap '[ "$!" = "$remora_before" ] || kill "$!" 2>/dev/null; exit "$remora_early"' TERM
    sleep "$remora_limit" &
    wait "$!"
    remora_early=0
    remora_before=$!
    remora_end_run
    exit 0
  ) >/dev/null 2>&1 5>&- 9<&- &
  remora_timer=$!
  wait "$remora_pid"
  remora_status=$?
  kill "$remora_watcher" "$remora_timer" 2>/dev/null
  wait "$remora_watcher" 2>/dev/null
  ! wait "$remora_timer" || remora_tell limited 1 >&5
  kill -9 "-$remora_pid" 2>/dev/null # what it left in the background would never be found again
  remora_tell status "$remora_status" >&5
) >/dev/null 2>&1
exec 4>&-
remora_tries=0
while kill -0 "$remora_tee" 2>/dev/null && [ "$remora_tries" -lt 60 ]; do
  remora_tries=$((remora_tries + 1))
  remora_pause
done
kill "$remora_tee" 2>/dev/null
wait "$remora_tee" 2>/dev/null
rm -f -- "$remora_pipe"
