# What the codex that the login shell finds says of itself. Needs codex_found.sh before it.
if [ -n "$remora_first" ]; then
  remora_text=$(remora_bounded "$remora_first" --version)
  remora_tell first.status "$?"
  remora_tell first.version "$(printf %s "$remora_text" | tail -n 1 | cut -c 1-300)"
fi
