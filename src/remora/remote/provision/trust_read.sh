# Which machine and folder this is, and where its .codex folders are, outermost first: what codex reads there. Needs git.sh
# and remora_looker, the text that looks at repositories.
if remora_here=$(cd -P -- "$remora_tree" 2>/dev/null && pwd -P); then
  remora_tell folder "$remora_here"
  remora_tell look "$(/bin/sh -c "$remora_looker" remora-look 0)"
  remora_top=$remora_here
  while [ -n "$remora_top" ] && [ ! -e "$remora_top/.git" ]; do remora_top=${remora_top%/*}; done
  remora_top=${remora_top:-$remora_here}
  set --
  while :; do
    [ ! -d "$remora_here/.codex" ] || set -- "$remora_here/.codex" "$@"
    [ "$remora_here" != "$remora_top" ] || break
    remora_here=${remora_here%/*}
  done
  for remora_name; do remora_tell holds "$remora_name"; done
fi
