# Prove what has arrived and put it beside what is there. Needs codex_take.sh before it, remora_parts (lines SIZE PATH,
# the last file first), remora_program, remora_version, remora_source, remora_pin, remora_limit.
[ "$remora_sum" = "$remora_archive" ] || remora_abort digest-mismatch "$remora_sum instead of $remora_archive"

# From its end on, what has arrived becomes files; what is left of it stays right, and in the end is the program.
remora_take_apart() (
  LC_ALL=C
  export LC_ALL
  remora_left=$remora_archive_size
  while read -r remora_length remora_file; do
    mkdir -p -- "$(dirname -- "$remora_stage/$remora_file")" || exit 1
    remora_left=$((remora_left - remora_length))
    if [ "$remora_file" = "$remora_program" ]; then
      mv -- "$remora_part" "$remora_stage/$remora_file" || exit 1
    else
      tail -c "$remora_length" -- "$remora_part" >"$remora_stage/$remora_file" && remora_shorten "$remora_left" || exit 1
    fi
  done <<END
$remora_parts
END
  cd -- "$remora_stage" || exit 1
  set --
  while read -r remora_wished remora_sum remora_file; do
    case $remora_wished in
      755) set -- "$@" "$remora_file" ;;
      link) mkdir -p -- "$(dirname -- "$remora_file")" && ln -s -- "$remora_sum" "$remora_file" || exit 1 ;;
    esac
  done <.remora-files
  chmod 755 -- "$@"
)
remora_said=$(remora_take_apart 2>&1) || {
  remora_blame_writing "$remora_said"
  remora_abort place-unusable "$remora_root: $remora_said"
}

remora_said=$(remora_bounded "$remora_stage/$remora_program" --version)
remora_status=$?
case $remora_status:$remora_said in
  0:*) ;;
  *'xec format error'* | *'cannot execute binary file'* | *'ad CPU type'* | *'yntax error'*)
    remora_abort platform-unsupported "$remora_said"
    ;;
  126:* | 127:*) remora_abort place-unusable "$remora_root: programs cannot be started there (mounted noexec?): $remora_said" ;;
  *) remora_abort step-failed "codex --version ended with status $remora_status: $remora_said" ;;
esac
{
  printf '%s %s\n' version "$remora_version" source "$remora_source" program "$remora_program" said "$(printf %s "$remora_said" | tail -n 1)"
  [ -z "$remora_pin" ] || printf 'pin %s\n' "$remora_pin"
} >"$remora_stage/.remora-record" 2>/dev/null && remora_stamps "$remora_stage" >"$remora_stage/.remora-stamps" ||
  remora_abort disk-full "$remora_root"

remora_is_there() { remora_is_intact "$remora_final" && [ "$(remora_digest "$remora_final/.remora-files")" = "$remora_content" ]; }
[ ! -e "$remora_final" ] || remora_is_there || mv -- "$remora_final" "$remora_stage.old"
remora_said=$(LC_ALL=C remora_move_folder "$remora_stage" "$remora_final" 2>&1) || remora_is_there || remora_abort place-unusable "$remora_root: $remora_said"
rm -rf -- "$remora_stage" "$remora_stage".* "$remora_part"
