# The ready marker once it says something else than remora_known (a checksum), or after remora_limit seconds. Needs
# marker.sh and lock.sh.
remora_deadline=$(($(date +%s) + remora_limit))
while :; do
  remora_said=$(remora_emit_marker)
  remora_sum=$(printf %s "$remora_said" | cksum)
  [ "$remora_sum" = "$remora_known" ] && [ "$(date +%s)" -lt "$remora_deadline" ] || break
  sleep 1
done
printf '%s\n' "$remora_said"
remora_emit known "$remora_sum"
remora_emit end marker
