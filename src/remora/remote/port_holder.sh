# Who listens at remora_port where that is in the way of the loopback. Linux tells everybody, other systems nobody.
remora_emit self "$(id -u)"
remora_hex=$(printf %04X "$remora_port")
for remora_file in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$remora_file" ] || continue
  remora_emit told yes
  while read -r _ remora_local _ remora_state _ _ _ remora_uid _; do
    case $remora_state:$remora_local in
      0A:0100007F:"$remora_hex" | 0A:7F000001:"$remora_hex" | 0A:00000000:"$remora_hex" | \
        0A:00000000000000000000000000000000:"$remora_hex")
        remora_emit holder "$remora_uid $(id -un "$remora_uid" 2>/dev/null)"
        ;;
    esac
  done <"$remora_file"
done
remora_emit end port_holder
