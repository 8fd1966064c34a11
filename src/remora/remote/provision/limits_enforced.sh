# remora_tell_enforced PID: what the kernel says that process may have, of each kind the least: limit.memory (bytes),
# limit.processes, limit.cpu (hundredths of a core) of its control groups, and each.memory and account.processes, which are
# limits of a single process and of the account.
remora_tell_least() {
  remora_tell_some "$1" "$(remora_least "$2" "$3" "$4")"
}
remora_tell_some() { [ -z "$2" ] || remora_tell "$1" "$2"; }
remora_least() {
  while :; do
    for remora_file in $3; do
      [ -r "$1$2/$remora_file" ] || continue
      case $remora_file in
        cpu.max) awk '$1 ~ /^[0-9]+$/ { printf "%d\n", $1 * 100 / $2 }' "$1$2/$remora_file" ;;
        cpu.cfs_quota_us) awk -v period="$(cat "$1$2/cpu.cfs_period_us")" '$1 > 0 { printf "%d\n", $1 * 100 / period }' "$1$2/$remora_file" ;;
        # without a limit the old kind says a number that no machine has
        *) grep -E '^[0-9]{1,18}$' "$1$2/$remora_file" ;;
      esac
    done
    case $2 in */*) set -- "$1" "${2%/*}" "$3" ;; *) break ;; esac
  done | sort -n | head -n 1
}

remora_tell_enforced() {
  [ "$remora_user" != 0 ] || remora_tell root 1 # whom no limit of the account's processes holds
  [ -r "/proc/$1/cgroup" ] || return 0
  while IFS=: read -r _ remora_kind remora_at; do
    remora_at=${remora_at%/}
    case ,$remora_kind, in
      ,,)
        remora_tell_least limit.memory /sys/fs/cgroup "$remora_at" memory.max
        remora_tell_least limit.processes /sys/fs/cgroup "$remora_at" pids.max
        remora_tell_least limit.cpu /sys/fs/cgroup "$remora_at" cpu.max
        ;;
      *,memory,*) remora_tell_least limit.memory /sys/fs/cgroup/memory "$remora_at" memory.limit_in_bytes ;;
      *,pids,*) remora_tell_least limit.processes /sys/fs/cgroup/pids "$remora_at" pids.max ;;
      *,cpu,*) remora_tell_least limit.cpu /sys/fs/cgroup/cpu "$remora_at" cpu.cfs_quota_us ;;
    esac
  done <"/proc/$1/cgroup"
  while read -r remora_max remora_kind remora_third remora_fourth _; do
    case $remora_max.$remora_kind in
      Max.address) remora_tell each.memory "$remora_fourth" ;;
      Max.processes) remora_tell account.processes "$remora_third" ;;
    esac
  done <"/proc/$1/limits"
}
