# The content of codex's config.toml. Needs remora_cap: a longer one is not told.
remora_file=$remora_home/config.toml
remora_tell file "$remora_file"
if [ -f "$remora_file" ]; then
  remora_size=$(($(wc -c 2>/dev/null <"$remora_file")))
  remora_tell kind file
  remora_tell size "$remora_size"
  [ "$remora_size" -gt "$remora_cap" ] ||
    remora_tell content "$(od -An -v -tx1 <"$remora_file" 2>/dev/null | tr -d ' \n')"
elif [ -e "$remora_file" ]; then
  remora_tell kind other
else
  remora_tell kind absent
fi
