# Write codex's config.toml, unless it is no longer what was read. Needs remora_file, remora_content and remora_before:
# the digest of what was read, nothing when there was no file.
remora_make_folder "${remora_file%/*}" 700
remora_now=
remora_keep=600
if [ -e "$remora_file" ]; then
  remora_now=$(remora_digest "$remora_file")
  remora_keep=$(remora_mode "$remora_file")
fi
if [ "$remora_now" != "$remora_before" ]; then
  remora_tell outdated 1
else
  printf %s "$remora_content" | remora_replace "$remora_file" "${remora_keep:-600}" || exit 1
fi
