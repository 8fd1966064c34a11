# Which install of ours is the current one, what is left of others, and which of them are in use. Needs codex_places.sh.
remora_tell root "$remora_root"
remora_tell current "$remora_current"
remora_tell kind "$remora_kind"
remora_name=$(readlink -- "$remora_current" 2>/dev/null)
remora_folder=$remora_root/$remora_name
if [ -n "$remora_name" ] && [ -r "$remora_folder/.remora-record" ]; then
  remora_tell folder "$remora_name"
  while read -r remora_key remora_value; do
    case $remora_key in version | source | pin | program) remora_tell "$remora_key" "$remora_value" ;; esac
  done <"$remora_folder/.remora-record"
  if remora_is_intact "$remora_folder"; then
    remora_tell state intact
    remora_tell content "$(remora_digest "$remora_folder/.remora-files")"
  else
    remora_tell state damaged
  fi
else
  remora_tell state absent
fi
remora_others=
for remora_name in "$remora_root"/*-"$remora_kind"-*; do
  [ -f "$remora_name/.remora-record" ] || continue
  remora_tell install "${remora_name##*/}"
  [ "$remora_name" = "$remora_folder" ] || remora_others=1
done
[ -z "$remora_others" ] || for remora_name in $(remora_used); do remora_tell used "$remora_name"; done
for remora_part in "$remora_root"/.part-*-"$remora_owned"; do
  [ ! -f "$remora_part" ] || remora_tell part "${remora_part##*/.part-} $(remora_stamp "$remora_part" | cut -d ' ' -f 1)"
done
