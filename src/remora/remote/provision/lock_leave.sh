# Leave the lock of provisioning, if it is ours.
for remora_lock in "${remora_run:+$remora_run/provision-$remora_here}" "${remora_state:+$remora_state/lock}"; do
  case $(readlink -- "$remora_lock" 2>/dev/null) in
    "$remora_me" | "$remora_me "*) rm -f -- "$remora_lock" ;;
  esac
done
