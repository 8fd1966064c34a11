# Take what is still missing of the archive, unpack its pieces while the rest is on its way, prove the whole and put it
# beside what is there. Needs codex_transfer.sh, remora_pieces (lines START SIZE OFFSET PATH; PATH - for a tar archive),
# remora_program, remora_version, remora_source, remora_pin, remora_limit; remora_size when bytes are to come.
umask 022
rm -rf -- "$remora_stage" "$remora_stage".*
remora_said=$({ LC_ALL=C mkdir -- "$remora_stage" && : >>"$remora_part"; } 2>&1) || remora_blame "$remora_stage" "$remora_said"

# remora_abort REASON DETAIL: leave nothing half made. What has arrived stays only when nothing else is wrong.
remora_abort() {
  wait
  rm -rf -- "$remora_stage" "$remora_stage".*
  [ "$1" = provision-failed ] || rm -f -- "$remora_part"
  remora_fail "$@"
}

# zstd reads gzip, too, where it was built so: in half the time.
remora_unzip='gzip -dc'
if command -v zstd >/dev/null 2>&1 && [ "$(echo remora | gzip -c | zstd -dcq 2>/dev/null)" = remora ]; then
  remora_unzip='zstd -dcq'
fi
remora_lanes=$(getconf _NPROCESSORS_ONLN 2>/dev/null)
case $remora_lanes in [1-4]) ;; [0-9]*) remora_lanes=4 ;; *) remora_lanes=1 ;; esac

remora_append() {
  LC_ALL=C /bin/sh -c 'echo $$ >"$1" && exec cat' sh "$remora_stage.pid" >>"$remora_part" 2>"$remora_stage.said"
  remora_status=$?
  [ "$remora_status" = 0 ] || : >"$remora_stage.failed"
  : >"$remora_stage.ended"
  return "$remora_status"
}

# remora_cut_out START SIZE: that part of the archive. Not every dd can; not every head is quick.
if dd if=/dev/null of=/dev/null bs=1 count=1 skip=0 iflag=skip_bytes 2>/dev/null; then
  remora_cut_out() { dd if="$remora_part" bs="$2" count=1 skip="$1" iflag=skip_bytes 2>/dev/null; }
else
  remora_cut_out() { tail -c "+$(($1 + 1))" -- "$remora_part" | head -c "$2"; }
fi

remora_unpack() {
  if [ "$4" = - ]; then
    set -- "$1" "$2" tar -xf - -C "$remora_stage"
  else
    set -- "$1" "$2" dd of="$remora_stage/$4" bs=1048576 seek="$(($3 / 1048576))" conv=notrunc
  fi
  remora_cut_out "$1" "$2" 2>/dev/null | {
    shift 2
    { $remora_unzip || : >"$remora_stage.unreadable"; } | "$@"
  } 2>>"$remora_stage.said" || : >"$remora_stage.failed"
  [ ! -e "$remora_stage.unreadable" ] || : >"$remora_stage.failed"
}

# openssl is several times as fast where the processor knows SHA-256.
remora_quick_digest() {
  remora_seen=$(openssl dgst -sha256 -r <"$remora_part" 2>/dev/null | cut -d ' ' -f 1)
  [ "${#remora_seen}" = 64 ] && echo "$remora_seen" || remora_digest "$remora_part"
}

if [ "${remora_size:-0}" -gt 0 ]; then
  remora_receive remora_append &
else
  : >"$remora_stage.ended"
fi
remora_running=
remora_count=0
remora_short=
remora_folders=:
while read -r remora_start remora_length remora_offset remora_file; do
  while [ "$(remora_part_size)" -lt $((remora_start + remora_length)) ]; do
    # What was written before the end is looked at once more after it.
    if [ -n "$remora_short" ] || [ -e "$remora_stage.failed" ]; then break 2; fi
    if [ -e "$remora_stage.ended" ]; then remora_short=1; else remora_pause; fi
  done
  remora_short=
  if [ "$remora_count" -ge "$remora_lanes" ]; then
    wait "${remora_running%% *}"
    remora_running=${remora_running#* }
    remora_count=$((remora_count - 1))
  fi
  case $remora_file in
    */*)
      case $remora_folders in
        *":${remora_file%/*}:"*) ;;
        *)
          mkdir -p -- "$remora_stage/${remora_file%/*}" 2>>"$remora_stage.said" || : >"$remora_stage.failed"
          remora_folders=$remora_folders${remora_file%/*}:
          ;;
      esac
      ;;
  esac
  remora_unpack "$remora_start" "$remora_length" "$remora_offset" "$remora_file" </dev/null 8<&- &
  remora_running=$remora_running$!' '
  remora_count=$((remora_count + 1))
done <<END
$remora_pieces
END
while [ ! -e "$remora_stage.ended" ]; do
  [ ! -e "$remora_stage.failed" ] || kill "$(cat "$remora_stage.pid")" 2>/dev/null
  remora_pause
done
[ -n "$remora_short" ] || [ -e "$remora_stage.failed" ] || remora_sum=$(remora_quick_digest)
wait
if [ -e "$remora_stage.failed" ]; then
  remora_said=$(tail -c 1000 "$remora_stage.said")
  # On a full disk there is no room for what the programs say of it either.
  [ "$(remora_free_kb "$remora_root")" -ge 256 ] 2>/dev/null || remora_abort disk-full "$remora_root: $remora_said"
  case $remora_said in *[Nn]'o space left'* | *[Qq]'uota exceeded'*) remora_abort disk-full "$remora_root: $remora_said" ;; esac
  [ ! -e "$remora_stage.unreadable" ] || remora_abort digest-mismatch "What has arrived cannot be unpacked: $remora_said"
  remora_abort place-unusable "$remora_root: $remora_said"
fi
[ -z "$remora_short" ] || remora_abort provision-failed "The transfer was cut; it goes on where it stopped."
[ "$remora_sum" = "$remora_archive" ] || remora_abort digest-mismatch "$remora_sum instead of $remora_archive"

set --
while read -r remora_wished remora_sum remora_file; do
  [ "$remora_wished" != 755 ] || set -- "$@" "$remora_stage/$remora_file"
done <"$remora_stage/.remora-files"
chmod 755 -- "$@"
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
[ ! -e "$remora_final" ] || mv -- "$remora_final" "$remora_stage.old"
remora_said=$(mv -- "$remora_stage" "$remora_final" 2>&1) || remora_abort place-unusable "$remora_root: $remora_said"
rm -rf -- "$remora_stage".* "$remora_part"
