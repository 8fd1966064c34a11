# Locks that heal. A symbolic link is made with its content in one step, so a lock never stands without its owner; no
# flock, which fails or hangs on network homes. Needs remora_lock (its path), remora_deadline (seconds since 1970).
remora_boot=$(remora_boot_id)
remora_me="$$ $(remora_start_time $$) $remora_boot"

remora_pause() { sleep 0.03 2>/dev/null || sleep 1; }

# remora_lives PID START BOOT: that process, and no other with its id, runs: process ids come round again.
remora_lives() {
  [ -n "$2" ] && [ "$3" = "$remora_boot" ] && kill -0 "$1" 2>/dev/null && [ "$(remora_start_time "$1")" = "$2" ]
}

# remora_clear_link LINK TEXT: remove a symbolic link that says TEXT; one that has taken its place meanwhile is put back.
remora_clear_link() {
  mv -- "$1" "$1.$$" 2>/dev/null || return 1
  remora_moved=$(readlink -- "$1.$$")
  [ "$remora_moved" = "$2" ] || ln -s "$remora_moved" "$1" 2>/dev/null
  rm -f -- "$1.$$"
}

# remora_take_lock [WORDS [COMMAND]]: 0 when it is ours, 2 when remora_holder still had it at the deadline, 1 when
# COMMAND says that it is not needed any more. WORDS are for people who meet it.
remora_take_lock() {
  # What is no link was never a lock, and in a folder it would be made inside.
  if [ ! -L "$remora_lock" ] && [ -e "$remora_lock" ] && mv -- "$remora_lock" "$remora_lock.damaged.$$" 2>/dev/null; then
    remora_emit healed lock
  fi
  until ln -s "$remora_me${1:+ $1}" "$remora_lock" 2>/dev/null; do
    remora_holder=$(readlink -- "$remora_lock")
    case $remora_holder in "$remora_me" | "$remora_me "*) return 0 ;; esac
    # shellcheck disable=SC2086
    if [ -n "$remora_holder" ] && ! remora_lives $remora_holder; then
      if remora_clear_link "$remora_lock" "$remora_holder"; then
        remora_emit healed lock
        continue
      fi
    fi
    [ -z "${2-}" ] || ! "$2" || return 1
    [ "$(date +%s)" -lt "$remora_deadline" ] || return 2
    remora_pause
  done
}

# remora_make_run_folder: have remora_run, closed to others.
remora_make_run_folder() {
  [ -n "$remora_run" ] || return 1
  mkdir -p -- "${remora_run%/*}" 2>/dev/null
  mkdir -m 700 -- "$remora_run" 2>/dev/null
  remora_is_own_folder "$remora_run"
}
