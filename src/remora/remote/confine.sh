# Limits of the app server and of all that it runs together, as the file limits in remora_state wishes them: lines
# "memory=BYTES", "cpu=HUNDREDTHS OF A CORE", "processes=NUMBER". Needs places.sh, service.sh and provision/manager.sh.

# remora_confine: from here on this process, and what it becomes, keeps the limits, each by the strongest means there is:
# a scope of the user's service manager, a control group that we may make, limits of single processes. remora_scope
# becomes the words to put before the program. What came of it is to be read back from the kernel. REMORA_LIMITS goes to
# the server itself: so anybody can tell later which limits it was started with.
remora_confine() {
  remora_scope= REMORA_LIMITS=
  [ -z "$remora_state" ] || REMORA_LIMITS=$(remora_wishes)
  export REMORA_LIMITS
  [ -n "$REMORA_LIMITS" ] || return 0
  remora_take_wishes
  remora_enter_scope || remora_enter_group
  if [ -n "$remora_processes" ]; then # counts all processes of the account; root may have any number
    # shellcheck disable=SC3045
    ulimit -u "$remora_processes" 2>/dev/null || ulimit -p "$remora_processes" 2>/dev/null
  fi
  # shellcheck disable=SC3045
  [ -z "$remora_memory" ] || ulimit -v $((remora_memory / 1024)) 2>/dev/null # for each process by itself
}

# Without lingering the manager ends when the account has logged out, and with it all of its scopes.
remora_enter_scope() {
  command -v systemd-run >/dev/null 2>&1 && remora_find_manager && remora_lingers || return 1
  [ -n "${XDG_RUNTIME_DIR-}" ] || export XDG_RUNTIME_DIR="/run/user/$remora_user"
  # An older systemd knows no policy for scopes, a newer one ends the whole scope when one of its processes is too large.
  for remora_policy in '-p OOMPolicy=continue' ''; do
    remora_scope="systemd-run --user --scope --quiet --collect $remora_policy${remora_memory:+ -p MemoryMax=$remora_memory -p MemorySwapMax=0}"
    remora_scope="$remora_scope${remora_cpu:+ -p CPUQuota=$remora_cpu%}${remora_processes:+ -p TasksMax=$remora_processes} --"
    # shellcheck disable=SC2086
    if $remora_scope true >/dev/null 2>&1 </dev/null; then
      remora_take_kept && return
      break
    fi
  done
  remora_scope=
  return 1
}

# remora_group CONTROLLER: make and print a control group of ours for it, below the one that we are in, so that what
# the host has set for us holds as before. Needs remora_own.
remora_group() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    remora_base=/sys/fs/cgroup$(printf '%s\n' "$remora_own" | sed -n 's/^0:://p')
    # A group that has processes may have no groups below it that share things out: then one beside it.
    for remora_base in "${remora_base%/}" "${remora_base%/*}"; do
      case $remora_base in /sys/fs/cgroup*) ;; *) continue ;; esac
      grep -qw "$1" "$remora_base/cgroup.subtree_control" 2>/dev/null ||
        echo "+$1" 2>/dev/null >"$remora_base/cgroup.subtree_control" || continue
      rmdir -- "$remora_base/remora-$remora_key-"* 2>/dev/null # those of servers that are gone; nobody can remove others
      remora_made=$remora_base/remora-$remora_key-$$
      mkdir -p -- "$remora_made" 2>/dev/null || continue
      printf '%s\n' "$remora_made"
      return
    done
  elif [ -d "/sys/fs/cgroup/$1" ]; then
    remora_base=/sys/fs/cgroup/$1$(printf '%s\n' "$remora_own" | sed -n "s/^[0-9]*:\([^:]*,\)*$1\(,[^:]*\)*://p")
    remora_base=${remora_base%/}
    [ -d "$remora_base" ] || remora_base=/sys/fs/cgroup/$1
    rmdir -- "$remora_base/remora-$remora_key-"* 2>/dev/null
    remora_made=$remora_base/remora-$remora_key-$$
    mkdir -p -- "$remora_made" 2>/dev/null && printf '%s\n' "$remora_made"
  fi
}

# remora_set_limit VALUE FILE...: write it into the first of the files that is there.
remora_set_limit() {
  remora_value=$1
  shift
  for remora_file in "$@"; do
    [ ! -e "$remora_file" ] || { echo "$remora_value" >"$remora_file"; } 2>/dev/null && [ -e "$remora_file" ] && return
  done
  return 1
}

remora_enter_group() {
  remora_own=$(cat /proc/self/cgroup 2>/dev/null) # once: it is another one when the first group has been joined
  if [ -n "$remora_memory" ] && remora_at=$(remora_group memory) && [ -n "$remora_at" ] &&
    remora_set_limit "$remora_memory" "$remora_at/memory.max" "$remora_at/memory.limit_in_bytes"; then
    remora_set_limit 0 "$remora_at/memory.swap.max" ||
      remora_set_limit "$remora_memory" "$remora_at/memory.memsw.limit_in_bytes"
    ! remora_join "$remora_at" || remora_memory=
  fi
  if [ -n "$remora_processes" ] && remora_at=$(remora_group pids) && [ -n "$remora_at" ] &&
    remora_set_limit "$remora_processes" "$remora_at/pids.max"; then
    ! remora_join "$remora_at" || remora_processes=
  fi
  if [ -n "$remora_cpu" ] && remora_at=$(remora_group cpu) && [ -n "$remora_at" ]; then
    if [ -e "$remora_at/cpu.max" ]; then
      remora_set_limit "$((remora_cpu * 1000)) 100000" "$remora_at/cpu.max"
    else
      remora_set_limit 100000 "$remora_at/cpu.cfs_period_us" &&
        remora_set_limit "$((remora_cpu * 1000))" "$remora_at/cpu.cfs_quota_us"
    fi && remora_join "$remora_at" && remora_cpu=
  fi
}

# Who writes 0 there means itself.
remora_join() { { echo 0 >"$1/cgroup.procs"; } 2>/dev/null; }
