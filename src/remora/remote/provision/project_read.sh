# At which commit a project is, and for what its script has last succeeded. Needs git.sh and remora_record (a name).
remora_tell folder "$remora_tree"
if [ -d "$remora_tree" ]; then
  remora_tell commit "$(remora_commit_of HEAD)"
  [ ! -r "$remora_state/$remora_record" ] || remora_tell 'done' "$(head -c 200 -- "$remora_state/$remora_record")"
else
  remora_tell missing 1
fi
