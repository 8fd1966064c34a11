# Who listens on remora_socket, for an error that must name it; and what our log of it says last.
remora_inode=$(remora_listener "$remora_socket")
case $? in
  0) remora_emit socket.listening yes ;;
  1) remora_emit socket.listening no ;;
esac
if [ -n "$remora_inode" ]; then
  remora_place=$(find /proc/[0-9]*/fd -lname "socket:\[$remora_inode\]" 2>/dev/null | head -n 1)
  remora_pid=${remora_place#/proc/}
  remora_pid=${remora_pid%%/*}
  if [ -n "$remora_pid" ]; then
    remora_emit owner.pid "$remora_pid"
    remora_emit owner.command "$(tr '\0' ' ' <"/proc/$remora_pid/cmdline" 2>/dev/null | head -c 300)"
  fi
fi
remora_log=$remora_run/server-$remora_key.log
[ ! -s "$remora_log" ] || remora_emit log.tail "$(tail -c 3000 -- "$remora_log")"
remora_emit end owner
