# Before anything is sent: is it here already, how much of it, and is there room where programs may run? Needs
# codex_transfer.sh, remora_archive_size, remora_files, remora_content and remora_beside (bytes that lie beside what has
# arrived while it becomes files).
if remora_is_intact "$remora_final" && [ "$(remora_digest "$remora_final/.remora-files")" = "$remora_content" ]; then
  remora_tell ready 1
  exit 0
fi
remora_make_folder "$remora_root"

# The home is as safe as its owner keeps it. Elsewhere somebody may have been there first, and would choose what is run.
remora_is_safe() {
  case $remora_root/ in "$HOME"/*) return ;; esac
  case $(remora_mode "$remora_root") in *[2367]) return 1 ;; esac
  case $(remora_owner "$remora_root") in "$remora_user" | 0) ;; *) return 1 ;; esac
}
remora_is_safe || remora_fail place-unusable "$remora_root: other accounts can write there and could replace programs"
rm -rf -- "$remora_stage"
remora_sweep
remora_have=0
[ ! -f "$remora_part" ] || remora_have=$(remora_part_size)
if [ "$remora_have" -gt "$remora_archive_size" ]; then
  rm -f -- "$remora_part"
  remora_have=0
fi
remora_try=$remora_root/.try-$remora_owned-$$
remora_said=$( (printf '#!/bin/sh\nexit 0\n' >"$remora_try" && chmod 700 "$remora_try") 2>&1) || {
  rm -f -- "$remora_try"
  remora_blame "$remora_root" "$remora_said"
}
remora_said=$("$remora_try" 2>&1)
remora_status=$?
rm -f -- "$remora_try"
[ "$remora_status" = 0 ] || remora_fail place-unusable "$remora_root: programs cannot be started there (mounted noexec?): $remora_said"

remora_needed=$(((remora_archive_size - remora_have + remora_beside) / 1024 + remora_files * 4 + 1024))
remora_free=$(remora_free_kb "$remora_root")
[ -z "$remora_free" ] || [ "$remora_free" -ge "$remora_needed" ] || remora_fail disk-full \
  "$remora_root: $((remora_needed / 1024)) MiB are needed and $((remora_free / 1024)) MiB are free: $(((remora_needed - remora_free + 1023) / 1024)) MiB are missing"
remora_needed=$((remora_files + 16))
remora_free=$(remora_free_inodes "$remora_root")
[ -z "$remora_free" ] || [ "$remora_free" -ge "$remora_needed" ] || remora_fail disk-full \
  "$remora_root: $remora_needed inodes are needed and $remora_free are free: $((remora_needed - remora_free)) are missing"
! command -v zstd >/dev/null 2>&1 || remora_tell zstd 1
remora_tell have "$remora_have"
