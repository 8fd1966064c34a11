# Names of one install on its way. Needs codex_places.sh, remora_name (its folder) and remora_archive (the digest of all
# that is sent). What is half made belongs to a machine and a process: homes may be shared.
remora_id=$(printf %s "$remora_archive" | cut -c 1-12)-$remora_owned
remora_part=$remora_root/.part-$remora_id
remora_stage=$remora_root/.new-$remora_id-$$
remora_final=$remora_root/$remora_name

# It must be there: the other kind of stat would say something else when it comes only between the two.
remora_part_size() { stat -L -c %s -- "$remora_part" 2>/dev/null || stat -L -f %z -- "$remora_part"; }

# remora_shorten FILE SIZE: so much of it stays.
remora_shorten() { dd if=/dev/null of="$1" bs=1 seek="$2" 2>/dev/null; }

# remora_sweep: remove what processes of this machine that are gone have left half made.
remora_sweep() {
  for remora_old in "$remora_root"/.new-*-"$remora_owned"-*; do
    kill -0 "${remora_old##*-}" 2>/dev/null || rm -rf -- "$remora_old"
  done
}

# remora_abort REASON DETAIL: leave nothing half made. What has arrived stays only when nothing else is wrong.
remora_abort() {
  rm -rf -- "$remora_stage"
  [ "$1" = provision-failed ] || rm -f -- "$remora_part"
  remora_fail "$@"
}

# remora_blame_writing TEXT: fail if it was for want of room, or of another quality of the place; TEXT is what was said.
remora_blame_writing() {
  # On a full disk there may have been no room for a reason.
  [ "$(remora_free_kb "$remora_root")" -ge 256 ] 2>/dev/null || remora_abort disk-full "$remora_root: $1"
  case $1 in
    *[Nn]'o space left'* | *[Qq]'uota exceeded'*) remora_abort disk-full "$remora_root: $1" ;;
    *[Ww]rite* | *'too large'* | *'ead-only'* | *ermission*) remora_abort place-unusable "$remora_root: $1" ;;
  esac
}
