# A scratch folder of ours, remora_scratch, and a guard that removes it when this shell ends, however it ends. What an
# earlier guard could not remove goes now.
[ -n "$remora_state" ] || remora_fail place-unusable "neither the home nor the runtime folder can be written"
remora_make_folder "$remora_state" 700
for remora_old in "$remora_state"/scorecard-*; do
  [ -d "$remora_old" ] && [ ! -L "$remora_old" ] || continue
  remora_owner_seen=
  [ ! -r "$remora_old/owner" ] || read -r remora_owner_seen <"$remora_old/owner"
  # shellcheck disable=SC2086
  if [ -z "$remora_owner_seen" ] || ! remora_lives $remora_owner_seen; then
    find "$remora_old" -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
    rm -rf -- "$remora_old"
  fi
done
remora_seen=$( (umask 077 && mkdir -- "$remora_state/$remora_scratch" && echo "$remora_me" >"$remora_state/$remora_scratch/owner") 2>&1) ||
  remora_blame "$remora_state" "$remora_seen"
remora_alone=
if command -v setsid >/dev/null 2>&1; then
  remora_alone=setsid
elif command -v perl >/dev/null 2>&1; then
  remora_alone="perl -e setpgrp;exec@ARGV"
fi
# shellcheck disable=SC2016
$remora_alone /bin/sh -c '
  trap "" HUP
  cd /
  while [ -d "$2" ] && kill -0 "$1" 2>/dev/null; do sleep 1; done
  tries=0
  while [ -d "$2" ] && [ "$tries" -lt 30 ]; do
    find "$2" -type d ! -perm -700 -exec chmod u+rwx {} \;
    rm -rf -- "$2"
    tries=$((tries + 1))
    sleep 1
  done' sh $$ "$remora_state/$remora_scratch" </dev/null >/dev/null 2>&1 5>&- 8<&- 9<&- &
remora_tell scratch "$remora_state/$remora_scratch"
