# The limits of the app server as provisioning wrote them down, and what of them the user's service manager (systemd) can
# keep. Needs places.sh and service.sh.

# remora_wishes: all of them, as words.
remora_wishes() { sed -n '/^[a-z]*=[0-9][0-9]*$/p' "$remora_state/limits" 2>/dev/null | tr '\n' ' '; }

# remora_take_wishes: set remora_memory, remora_cpu and remora_processes, each to nothing when there is no limit.
remora_take_wishes() {
  remora_memory= remora_cpu= remora_processes=
  for remora_word in $(remora_wishes); do
    case $remora_word in
      memory=*) remora_memory=${remora_word#*=} ;;
      cpu=*) remora_cpu=${remora_word#*=} ;;
      processes=*) remora_processes=${remora_word#*=} ;;
    esac
  done
}

# remora_find_manager: fails when this account has none that answers. Sets remora_manager_group, its control group.
remora_find_manager() {
  command -v systemctl >/dev/null 2>&1 || return 1
  remora_manager_group=$(remora_ask_manager show --property=ControlGroup --value) && [ -n "$remora_manager_group" ]
}

# remora_lingers: the manager, and all that it has, stays when the account has logged out.
remora_lingers() {
  [ -e "/var/lib/systemd/linger/$remora_account" ] ||
    [ "$(loginctl show-user "$remora_account" --property=Linger --value 2>/dev/null </dev/null)" = yes ]
}

# remora_linger: let it stay; tells linger.refused with the reason when that is not allowed.
remora_linger() {
  remora_lingers || remora_seen=$(loginctl enable-linger "$remora_account" 2>&1 </dev/null) ||
    remora_tell linger.refused "$remora_seen"
}

# remora_manager_keeps CONTROLLER: a limit of memory, pids or cpu holds for what that manager starts. Only control groups
# of version 2 are given into the hands of users. Only after remora_find_manager.
remora_manager_keeps() { grep -qw "$1" "/sys/fs/cgroup$remora_manager_group/cgroup.controllers" 2>/dev/null; }

# remora_take_kept: forget those of remora_memory, remora_processes and remora_cpu that the manager keeps, so that no
# weaker means is taken for them; fails when there are none.
remora_take_kept() {
  remora_kept=
  [ -z "$remora_memory" ] || ! remora_manager_keeps memory || { remora_memory= remora_kept=1; }
  [ -z "$remora_processes" ] || ! remora_manager_keeps pids || { remora_processes= remora_kept=1; }
  [ -z "$remora_cpu" ] || ! remora_manager_keeps cpu || { remora_cpu= remora_kept=1; }
  [ -n "$remora_kept" ]
}
