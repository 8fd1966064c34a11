# The limits that the next app server will keep, and those that the running one has. Needs server_find.sh and
# limits_enforced.sh.
[ ! -r "$remora_state/limits" ] || remora_tell file "$(head -c 1000 -- "$remora_state/limits")"
[ -z "$remora_pid" ] || remora_tell pid "$remora_pid"
[ -z "$remora_pid" ] || remora_tell_enforced "$remora_pid"
