# Make a file what is wished. Needs remora_file, remora_mode_wished and remora_how: mode (only that differs), here (the
# content is remora_content) or sent (it comes behind this script).
remora_folder=${remora_file%/*}
case $remora_mode_wished in
  *00) remora_make_folder "${remora_folder:-/}" 700 ;; # what others may not read does not lie in a folder that they may
  *) remora_make_folder "${remora_folder:-/}" 755 ;;
esac
case $remora_how in
  mode) remora_seen=$(chmod -- "$remora_mode_wished" "$remora_file" 2>&1) || remora_blame "$remora_file" "$remora_seen" ;;
  here) printf %s "$remora_content" | remora_replace "$remora_file" "$remora_mode_wished" || exit 1 ;;
  sent) remora_receive remora_replace "$remora_file" "$remora_mode_wished" || exit 1 ;;
esac
