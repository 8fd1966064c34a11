# Which codex the login shell finds, and which others are on its PATH; the first is asked for its version. Needs
# remora_limit (seconds for that).
remora_first=
remora_ifs=$IFS
IFS=:
set -f
for remora_place in $remora_path; do
  remora_place=${remora_place%/}/codex
  case $remora_place in /*) ;; *) continue ;; esac
  if [ -f "$remora_place" ] && [ -x "$remora_place" ]; then
    [ -n "$remora_first" ] || remora_first=$remora_place
    remora_tell found "$remora_place"
  elif [ -L "$remora_place" ] || [ -e "$remora_place" ]; then
    remora_tell unusable "$remora_place"
  fi
done
set +f
IFS=$remora_ifs
if [ -n "$remora_first" ]; then
  remora_tell first "$remora_first"
  remora_tell first.real "$(remora_resolve "$remora_first" || printf %s "$remora_first")"
fi
