# Have remora_line, our marked line, once and as the last one in remora_file; all else there stays.
remora_make_folder "${remora_file%/*}"
remora_permission=$(remora_mode "$remora_file")
{
  if [ -f "$remora_file" ]; then
    sed '/# remora: codex$/d' "$remora_file" || exit 1
    [ ! -s "$remora_file" ] || [ -z "$(tail -c 1 "$remora_file")" ] || echo
  fi
  printf '%s\n' "$remora_line"
} | remora_replace "$remora_file" "${remora_permission:-644}" || exit 1
