# Where the control socket of the app server is. Needs places.sh and lock.sh. The usual place is in codex's home, where
# other programs look for it, too; the newest servers bind elsewhere and leave a symbolic link there. Where other machines
# see that home, a server that starts there takes the place of theirs: then the socket is in our folder of this machine.
remora_usual=$remora_home/app-server-control/app-server-control.sock
# A symbolic link that says whose server is at the usual place, for homes of which nobody can see that they are shared.
remora_note=$remora_home/app-server-control/remora-machine
remora_nobody='another machine'

remora_whose() { printf '%s %s' "$remora_here" "$(uname -n | tr -c 'A-Za-z0-9.-' _)"; }

# remora_listens PATH: 0 when somebody listens there, 1 when nobody on this machine does, 2 when nobody can tell.
remora_listens() {
  [ -S "$1" ] || return 1
  remora_listener "$1" >/dev/null
}

# remora_is_others: the usual place belongs to another machine. Without a socket there it is soon free again.
remora_is_others() {
  remora_who=$(readlink -- "$remora_note" 2>/dev/null) && [ "$remora_who" != "$(remora_whose)" ] || return 1
  [ -e "$remora_usual" ] || [ -L "$remora_usual" ] || [ -z "$(find "$remora_note" -mmin +2 2>/dev/null)" ]
}

# remora_is_common: other machines see codex's home, too, or its kind of file system is there for that: NFS, SMB and CIFS,
# 9p, AFS, Coda, Ceph, Lustre, GPFS, BeeGFS, Panasas, GFS2, OCFS2, and FUSE where it is not the container's own disk.
remora_is_common() {
  remora_place=$remora_home
  [ -d "$remora_place" ] || remora_place=$HOME
  case $(remora_disk %t "$remora_place") in
    6969 | 517b | fe534d42 | ff534d42 | 1021997 | 5346414f | 6b414653 | 73757245 | c36400 | bd00bd0 | 47504653 | 19830326 | \
      aad7aaea | 1161970 | 7461636f) ;;
    65735546) [ "$(stat -c %d -- "$remora_place")" != "$(stat -c %d /)" ] || remora_is_others ;;
    *) remora_is_others ;;
  esac
}

# remora_choose_socket: set remora_socket, and remora_listen for --listen: where a server listens, else where one is to be
# started. A server that was started in a folder of ours stays the one, whatever is known of the home by now.
remora_choose_socket() {
  for remora_place in "$remora_run" "/run/user/$remora_user/remora" "${TMPDIR:-/tmp}/remora-$remora_user"; do
    remora_socket=$remora_place/$remora_key.sock
    remora_listen=unix://$remora_socket
    [ -S "$remora_socket" ] && remora_may_have "$remora_place" || continue
    remora_listens "$remora_socket"
    [ $? = 1 ] || return 0
  done
  remora_socket=$remora_usual
  remora_listen=unix://
  remora_listens "$remora_socket"
  # The socket of a machine that is known may lie in the place of one that is listened on here; a link leads past it.
  [ $? != 1 ] && { [ -L "$remora_socket" ] || ! remora_is_others || [ "$remora_who" = "$remora_nobody" ]; } && return 0
  [ -n "$remora_run" ] || return 0
  if [ "$(printf %s "$remora_socket" | wc -c)" -gt 103 ] || remora_is_common; then # 104 is what a socket address holds
    remora_socket=$remora_run/$remora_key.sock
    remora_listen=unix://$remora_socket
  fi
}

# remora_claim_place: note down that this machine's server is at remora_socket; fails when that is another machine's place
# by now. Where nothing can be noted down, whoever comes first has it.
remora_claim_place() {
  [ "$remora_listen" = unix:// ] && [ -d "$remora_home" ] || return 0
  (umask 077 && mkdir -p -- "${remora_note%/*}") 2>/dev/null
  until ln -s "$(remora_whose)" "$remora_note" 2>/dev/null; do
    remora_who=$(readlink -- "$remora_note") && [ "$remora_who" != "$(remora_whose)" ] || return 0
    ! remora_is_others || return 1
    remora_clear_link "$remora_note" "$remora_who" || return 0
  done
}

# remora_leave_place: it turned out that a machine that nobody knows has the usual place.
remora_leave_place() { rm -f -- "$remora_note" && ln -s "$remora_nobody" "$remora_note" 2>/dev/null; }
