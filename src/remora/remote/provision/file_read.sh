# What lies at a file's place. Needs remora_path_wished; one that begins with neither / nor ~/ lies below CODEX_HOME.
remora_file=$(remora_expand "$remora_path_wished")
case $remora_file in
  /*) ;;
  *) remora_file=$remora_home/$remora_file ;;
esac
remora_tell file "$remora_file"
if [ -d "$remora_file" ]; then
  remora_tell kind folder
elif [ -f "$remora_file" ]; then
  remora_tell kind file
  remora_tell mode "$(remora_mode "$remora_file")"
  remora_tell digest "$(remora_digest "$remora_file")"
elif [ -e "$remora_file" ]; then
  remora_tell kind other
else
  remora_tell kind absent
fi
