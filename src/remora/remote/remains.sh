# Which processes commands of the threads "$@" have left on this machine, as a child of the app server sees it. Where the
# system shows what a process has in its environment, codex's own mark there tells; elsewhere who descends from whom.
printf 'server %s\nself %s\n' "$PPID" "$$"
if [ -r /proc/self/environ ]; then
  printf 'environ\n'
  for remora_thread; do
    shift
    set -- "$@" -e "CODEX_THREAD_ID=$remora_thread" -e "CODEX_SESSION_ID=$remora_thread"
  done
  for remora_file in $(grep -l "$@" /proc/[0-9]*/environ 2>/dev/null); do
    remora_pid=${remora_file#/proc/}
    remora_pid=${remora_pid%/environ}
    remora_words=$(tr '\0\n' '  ' <"/proc/$remora_pid/cmdline" 2>/dev/null | cut -c 1-300)
    [ -z "$remora_words" ] || printf 'process %s 0 %s\n' "$remora_pid" "$remora_words"
  done
else
  ps -A -o pid= -o ppid= -o args= 2>/dev/null | sed 's/^ */process /'
fi
printf 'end\n'
