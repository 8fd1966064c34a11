# The service of the user that brings the app server back after a reboot. Needs service.sh and codex_program.sh.
# remora_manager: 1 when this account has a service manager that answers.
remora_manager=
if command -v systemctl >/dev/null 2>&1; then
  [ -n "${XDG_RUNTIME_DIR-}" ] || [ ! -d "/run/user/$remora_user" ] || export XDG_RUNTIME_DIR="/run/user/$remora_user"
  ! systemctl --user show-environment >/dev/null 2>&1 </dev/null || remora_manager=1
fi

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

remora_unit_text() {
  remora_memory=$(remora_wished memory)
  remora_cpu=$(remora_wished cpu)
  remora_processes=$(remora_wished processes)
  cat <<END
# Written by remora provision.
[Unit]
Description=The app server of codex

[Service]
Environment=$(remora_quote "PATH=$remora_path")
Environment=$(remora_quote "CODEX_HOME=$remora_home")
WorkingDirectory=~
ExecStart=$(remora_quote "$remora_program") app-server --listen $(remora_unit_listen)
${remora_memory:+MemoryMax=$remora_memory
MemorySwapMax=0
}${remora_cpu:+CPUQuota=$remora_cpu%
}${remora_processes:+TasksMax=$remora_processes
}
[Install]
WantedBy=default.target
END
}

remora_lingers() {
  [ -e "/var/lib/systemd/linger/$remora_account" ] ||
    [ "$(loginctl show-user "$remora_account" --property=Linger --value 2>/dev/null </dev/null)" = yes ]
}
