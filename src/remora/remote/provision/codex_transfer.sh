# Names of one install on its way. Needs codex_places.sh, remora_name (its folder) and remora_archive (the digest of what
# is sent).
remora_id=$(printf %s "$remora_archive" | cut -c 1-12)-$remora_owned
remora_part=$remora_root/.part-$remora_id
remora_stage=$remora_root/.new-$remora_id
remora_final=$remora_root/$remora_name

# It must be there: the other kind of stat would say something else when it comes only between the two.
remora_part_size() { stat -L -c %s -- "$remora_part" 2>/dev/null || stat -L -f %z -- "$remora_part"; }
