# Put remora_marker (lines KEY=VALUE) in the place of the ready marker. The moment and who is at work are added here.
# Where it cannot be written, the answer failed says why; what is provisioned counts all the same. Needs lock.sh.
if [ -n "$remora_state" ]; then
  remora_make_folder "$remora_state" 700
  printf '%s\nsince=%s\nholder=%s\n' "$remora_marker" "$(date +%s)" "$remora_me" | remora_replace "$remora_state/provision" 600
fi
