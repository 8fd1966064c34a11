# A file by content and mode. Needs remora_path_wished, remora_mode_wished, remora_digest_wished, remora_content.
remora_read_file() { remora_script_file_read </dev/null; }
remora_judge_file() {
  remora_place=$(remora_one file)
  case $(remora_one kind) in
    absent) remora_different "$remora_place: new" ;;
    file)
      if [ "$(remora_one digest)" != "$remora_digest_wished" ]; then
        remora_different "$remora_place: other content"
      elif [ "$(remora_one mode)" != "$remora_mode_wished" ]; then
        remora_different "$remora_place: other mode"
      else
        remora_same "$remora_place is up to date"
      fi
      ;;
    *) remora_blocked place-unusable "$remora_place is not a regular file, so it cannot be written" ;;
  esac
}
remora_apply_file() (
  remora_file=$(remora_one file)
  remora_how=here
  [ "$(remora_one digest)" != "$remora_digest_wished" ] || remora_how=mode
  remora_script_file_apply </dev/null
)
