# Keys of codex's config.toml. Needs remora_keys (a TOML document), remora_merger (config_merge.py) and remora_cap.
remora_find_python() {
  remora_python=
  for remora_item in python3 /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python; do
    [ -n "$remora_python" ] || remora_python=$(PATH=$PATH:$remora_path; command -v "$remora_item" 2>/dev/null)
  done
  [ -n "$remora_python" ]
}
remora_read_config() { remora_script_config_read </dev/null; }
remora_judge_config() {
  remora_place=$(remora_one file)
  remora_source=$remora_place
  case $(remora_one kind) in
    absent) remora_source=/dev/null remora_before= ;;
    file) remora_before=$(remora_digest "$remora_place") ;; # before it is merged: somebody may write it meanwhile
    *)
      remora_blocked place-unusable "$remora_place is not a regular file"
      return
      ;;
  esac
  if ! remora_find_python; then
    remora_blocked tool-missing 'the host has no python3, which merges config.toml'
    return
  fi
  remora_text=$(printf '%s\n' "$remora_keys" | "$remora_python" -ISc "$remora_merger" "$remora_source" "$remora_work/merged" 2>&1)
  case $? in
    0) remora_different "$remora_place: $remora_text" ;;
    3) remora_same "$remora_place already has these values" ;;
    *) remora_blocked step-failed "$remora_place: $remora_text" ;;
  esac
}
remora_apply_config() (
  remora_file=$(remora_one file)
  remora_content=$(cat -- "$remora_work/merged" && echo .)
  remora_content=${remora_content%.}
  remora_script_config_apply </dev/null
)
