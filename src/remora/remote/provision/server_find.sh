# remora_pid: the app server that listens on a control socket of ours, nothing when none does or nobody can tell;
# remora_ours: 1 when remora started it.
remora_pid= remora_ours=
for remora_place in "$remora_home/app-server-control/app-server-control.sock" "$remora_run/$remora_key.sock"; do
  [ -S "$remora_place" ] || continue
  remora_inode=$(remora_listener "$(readlink -f -- "$remora_place" 2>/dev/null || printf %s "$remora_place")") || continue
  if [ -r "$remora_run/server-$remora_key" ] && read -r remora_one remora_start remora_boot_then <"$remora_run/server-$remora_key" &&
    [ "$remora_boot_then" = "$(remora_boot_id)" ] && [ "$(remora_start_time "$remora_one")" = "$remora_start" ]; then
    remora_pid=$remora_one remora_ours=1
  else
    remora_one=$(find /proc/[0-9]*/fd -lname "socket:\[$remora_inode\]" 2>/dev/null | head -n 1)
    remora_one=${remora_one#/proc/}
    remora_pid=${remora_one%%/*}
  fi
  break
done
