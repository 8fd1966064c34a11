# Lay the link remora_place/codex to remora_target in one moment. What is not ours there is left alone.
remora_make_folder "$remora_place"
if [ -e "$remora_place/codex" ] || [ -L "$remora_place/codex" ]; then
  case $(readlink -- "$remora_place/codex" 2>/dev/null) in
    "$remora_root"/* | "$remora_target") ;;
    *) remora_fail not-on-path "$remora_place/codex already exists and is not a link made by remora" ;;
  esac
fi
remora_new=$remora_place/.codex.remora-$remora_here-$$
remora_said=$({ ln -s "$remora_target" "$remora_new" && mv -f -- "$remora_new" "$remora_place/codex"; } 2>&1) || {
  rm -f -- "$remora_new"
  remora_blame "$remora_place" "$remora_said"
}
