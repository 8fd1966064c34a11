# What is known of codex's login: our record, and whether auth.json is still the one that we left. Needs codex_program.sh.
remora_tell today "$(date +%Y-%m-%d)"
remora_tell codex "$remora_program"
if [ -s "$remora_home/auth.json" ]; then
  remora_tell auth present
  remora_tell stamp "$(remora_digest "$remora_home/auth.json")"
  remora_tell mode "$(remora_mode "$remora_home/auth.json")"
else
  remora_tell auth absent
fi
[ ! -r "$remora_state/login" ] || remora_tell record "$(head -c 2000 -- "$remora_state/login")"
