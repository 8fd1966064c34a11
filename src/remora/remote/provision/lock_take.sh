# Take this machine's lock for provisioning, for remora_operator, within remora_wait seconds. Answers lock: taken, busy
# (with holder) or nowhere. It stands in the shell that ran this, and counts as long as that shell lives.
if remora_make_run_folder; then
  remora_lock=$remora_run/provision-$remora_here
elif [ -n "$remora_state" ] && (umask 077 && mkdir -p -- "$remora_state") 2>/dev/null; then
  remora_lock=$remora_state/lock
else
  remora_lock=
fi
remora_deadline=$(($(date +%s) + remora_wait))
if [ -z "$remora_lock" ]; then
  remora_tell lock nowhere
elif remora_take_lock "$remora_operator"; then
  remora_tell lock taken
else
  remora_tell lock busy
  remora_tell holder "$remora_holder"
fi
