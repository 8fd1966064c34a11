# Take what is still missing and put it behind what has arrived. Needs codex_transfer.sh; when bytes are to come
# remora_size, remora_form (zstd, gzip or plain), remora_start (where in the payload they belong) and remora_upto (where
# they end). They come over the channel, or from the file remora_brought.
umask 022
remora_upto=${remora_upto:-$remora_archive_size}
remora_said=$({ LC_ALL=C && export LC_ALL && : >>"$remora_part"; } 2>&1) || remora_blame "$remora_part" "$remora_said"
[ "$(remora_part_size)" -le "${remora_start:-$remora_upto}" ] || remora_shorten "${remora_start:-$remora_upto}"
case ${remora_form-} in
  zstd) remora_unpacker='zstd -dcq' ;;
  gzip) remora_unpacker='gzip -dc' ;;
  *) remora_unpacker=cat ;;
esac

# Straight to where it stays: each pipe or tee in between would cost as much as unpacking does.
remora_unpack() { LC_ALL=C $remora_unpacker >>"$remora_part" 2>&3; }

exec 4>&1
remora_said=$(
  exec 3>&1 >&4
  if [ -n "${remora_brought-}" ]; then
    remora_unpack <"$remora_brought"
  elif [ "${remora_size:-0}" -gt 0 ]; then
    remora_receive remora_unpack
  fi
)
exec 4>&-
remora_said=$(printf %s "$remora_said" | tail -c 1000)
if [ "$(remora_part_size)" -lt "$remora_upto" ]; then
  remora_blame_writing "$remora_said"
  [ -z "${remora_brought-}" ] || remora_abort digest-mismatch "$remora_brought is something else. $remora_said"
  remora_abort provision-failed "The transfer was cut; it goes on where it stopped. $remora_said"
fi
