# Prove what has arrived and put it beside what is there. Needs codex_take.sh before it, remora_parts (lines SIZE PATH,
# the last file first), remora_program, remora_version, remora_source, remora_pin, remora_limit.
# From its end on, what has arrived besides the program becomes files. Nothing of their content is looked at.
remora_take_apart() (
  LC_ALL=C
  export LC_ALL
  cd -- "$remora_stage" || exit 1
  remora_rest=$((remora_archive_size - remora_program_size))
  tail -c "$remora_rest" -- "$remora_part" >.rest || exit 1
  while read -r remora_length remora_file; do
    [ "$remora_file" != "$remora_program" ] || continue
    mkdir -p -- "$(dirname -- "$remora_file")" || exit 1
    remora_rest=$((remora_rest - remora_length))
    if [ "$remora_length" = 0 ]; then
      : >"$remora_file"
    elif [ "$remora_rest" = 0 ]; then
      mv -- .rest "$remora_file"
    else
      tail -c "$remora_length" .rest >"$remora_file" && remora_shorten .rest "$remora_rest"
    fi || exit 1
  done <<END
$remora_parts
END
)

# What is left of what has arrived is the program; all get their modes, and links come to be.
remora_put_together() (
  LC_ALL=C
  export LC_ALL
  cd -- "$remora_stage" && mkdir -p -- "$(dirname -- "$remora_program")" && remora_shorten "$remora_part" "$remora_program_size" &&
    mv -- "$remora_part" "$remora_program" || exit 1
  set --
  while read -r remora_wished remora_sum remora_file; do
    case $remora_wished in
      755) set -- "$@" "$remora_file" ;;
      link) mkdir -p -- "$(dirname -- "$remora_file")" && ln -s -- "$remora_sum" "$remora_file" || exit 1 ;;
    esac
  done <.remora-files
  chmod -- 755 "$@"
)

remora_blame_place() {
  remora_blame_writing "$1"
  remora_abort place-unusable "$remora_root: $1"
}

remora_program_size=${remora_parts##*"
"}
remora_program_size=${remora_program_size%% *}
# One processor proves all of it while another one copies what is not the program.
remora_said=$(
  remora_take_apart 2>&1 &
  [ "${#remora_sum}" = 64 ] || remora_sum=$(remora_sum_up <"$remora_part")
  wait "$!"
  printf '\n%s %s' "$?" "$remora_sum"
)
remora_proof=${remora_said##*"
"}
remora_sum=${remora_proof#* }
[ "$remora_sum" = "$remora_archive" ] || remora_abort digest-mismatch "$remora_sum instead of $remora_archive"
[ "${remora_proof%% *}" = 0 ] || remora_blame_place "${remora_said%"$remora_proof"}"
remora_said=$(remora_put_together 2>&1) || remora_blame_place "$remora_said"

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
