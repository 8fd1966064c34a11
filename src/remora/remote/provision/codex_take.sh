# Take what is still missing and put it behind what has arrived. Needs codex_transfer.sh; when bytes are to come
# remora_size, remora_form (zstd, gzip or plain), remora_start (where in the payload they belong) and remora_upto (where
# they end). They come over the channel, or from the file remora_brought. Sets remora_sum, the digest of the payload, if
# it was learnt meanwhile.
umask 022
remora_upto=${remora_upto:-$remora_archive_size}
remora_said=$({ LC_ALL=C && export LC_ALL && mkdir -p -- "$remora_stage" && : >>"$remora_part"; } 2>&1) ||
  remora_blame "$remora_root" "$remora_said"
case ${remora_form-} in
  zstd) remora_unpacker='zstd -dcq' ;;
  gzip) remora_unpacker='gzip -dc' ;;
  *) remora_unpacker='cat' ;;
esac

# Straight to where it stays: each pipe or tee in between would cost as much as unpacking does.
remora_unpack() { LC_ALL=C $remora_unpacker >>"$remora_part" 2>&3; }

# remora_follow: print what has arrived, and what comes behind it, to the end; less when the stage or this shell is gone.
remora_follow() {
  remora_at=0
  while [ -d "$remora_stage" ] && kill -0 $$ 2>/dev/null; do
    remora_now=$(remora_part_size)
    if [ "$remora_now" -ge "$remora_archive_size" ]; then
      dd if="$remora_part" bs=1048576 skip="$remora_at" 2>/dev/null
      return
    fi
    remora_more=$((remora_now / 1048576 - remora_at))
    if [ "$remora_more" -ge 16 ]; then
      dd if="$remora_part" bs=1048576 skip="$remora_at" count="$remora_more" 2>/dev/null
      remora_at=$((remora_at + remora_more))
    else
      sleep 0.1 2>/dev/null || sleep 1
    fi
  done
}

# openssl is several times as fast as others where the processor knows SHA-256.
remora_sum_up() {
  if [ "$(printf '' | openssl dgst -sha256 -r 2>/dev/null | cut -c 1-8)" = e3b0c442 ]; then
    openssl dgst -sha256 -r
  elif command -v sha256sum >/dev/null 2>&1; then
    sha256sum
  else
    shasum -a 256
  fi | cut -d ' ' -f 1
}

# remora_follow_late: the digest beside a transfer that takes its time; one that does not is read once it is there, which
# costs less. Whoever makes the folder does it.
remora_follow_late() {
  sleep 1 >/dev/null 2>&1 3>&- 4>&- 8<&-
  mkdir -- "$remora_stage/.digest" 2>/dev/null || exit 0
  printf 'sum=%s\n' "$(remora_follow | remora_sum_up)" >&3
}

exec 4>&1
remora_said=$(
  exec 3>&1 >&4
  if [ -n "${remora_brought-}" ]; then
    remora_shorten "$remora_part" 0
    remora_unpack <"$remora_brought"
  elif [ "${remora_size:-0}" -gt 0 ]; then
    [ "$(remora_part_size)" -le "$remora_start" ] || remora_shorten "$remora_part" "$remora_start"
    [ "$remora_upto" != "$remora_archive_size" ] || remora_follow_late &
    remora_receive remora_unpack
    [ "$(remora_part_size)" -ge "$remora_upto" ] || rm -rf -- "$remora_stage"
    ! mkdir -- "$remora_stage/.digest" 2>/dev/null || kill "$!" 2>/dev/null
    wait
  fi
)
exec 4>&-
remora_sum=$(printf '%s\n' "$remora_said" | sed -n 's/^sum=//p')
if [ "$(remora_part_size)" -lt "$remora_upto" ]; then
  remora_said=$(printf '%s\n' "$remora_said" | grep -v '^sum=' | tail -c 1000)
  remora_blame_writing "$remora_said"
  [ -z "${remora_brought-}" ] || remora_abort digest-mismatch "$remora_brought is something else. $remora_said"
  remora_abort provision-failed "The transfer was cut; it goes on where it stopped. $remora_said"
fi
rm -rf -- "$remora_stage/.digest"
