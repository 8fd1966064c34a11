# The service of the user that brings the app server back after a reboot, with the limits that a launch takes care of in
# confine.sh. Needs service.sh, manager.sh and codex_program.sh.
# remora_quote TEXT: as a word in a unit.
remora_quote() { printf '"%s"' "$(printf %s "$1" | sed -e 's/[\\"]/\\&/g' -e 's/%/%%/g')"; }

# One text for all machines that see it: where there are several, each has its socket in a folder of its own.
remora_unit_listen() {
  for remora_place in "${remora_state%/*}"/*/provision; do
    case $remora_place in "$remora_state/provision" | */'*/provision') continue ;; esac
    [ "${remora_state##*/}" = "$remora_here" ] || break
    echo "unix://%t/remora/$remora_key.sock"
    return
  done
  if remora_is_common; then echo "unix://%t/remora/$remora_key.sock"; else echo unix://; fi
}

# What the manager does not keep holds for each process, as far as that goes. A child that takes too much is killed, and
# not the server.
remora_unit_limits() {
  remora_take_wishes
  [ -z "$remora_memory" ] || printf '%s\n' "MemoryMax=$remora_memory" MemorySwapMax=0 OOMPolicy=continue
  [ -z "$remora_cpu" ] || echo "CPUQuota=$remora_cpu%"
  [ -z "$remora_processes" ] || echo "TasksMax=$remora_processes"
  remora_take_kept
  [ -z "$remora_memory" ] || echo "LimitAS=$remora_memory"
  [ -z "$remora_processes" ] || echo "LimitNPROC=$remora_processes"
}

remora_unit_text() {
  cat <<END
# Written by remora provision.
[Unit]
Description=The app server of codex

[Service]
Environment=$(remora_quote "PATH=$remora_path")
Environment=$(remora_quote "CODEX_HOME=$remora_home")
Environment=$(remora_quote "REMORA_LIMITS=$(remora_wishes)")
WorkingDirectory=~
ExecStart=$(remora_quote "$remora_program") app-server --listen $(remora_unit_listen)
$(remora_unit_limits)

[Install]
WantedBy=default.target
END
}
