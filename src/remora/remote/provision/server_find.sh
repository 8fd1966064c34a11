# remora_pid: the app server that listens on a control socket of ours, nothing when none does or nobody can tell;
# remora_ours: 1 when remora started it. Needs sockets.sh and service.sh.
remora_ours=
remora_choose_socket
remora_inode=$(remora_listener "$remora_socket")
case $? in
  0)
    if remora_find_ours; then
      remora_ours=1
    else
      remora_pid=$(find /proc/[0-9]*/fd -lname "socket:\[$remora_inode\]" 2>/dev/null | head -n 1)
      remora_pid=${remora_pid#/proc/}
      remora_pid=${remora_pid%%/*}
    fi
    ;;
  2) # nobody can tell who listens: ours does, which runs, when there is a socket
    remora_pid=
    if [ -S "$remora_socket" ] && remora_find_ours; then remora_ours=1; fi
    ;;
  *) remora_pid= ;;
esac
