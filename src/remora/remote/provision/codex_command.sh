# Run the host's own installer: remora_command, shell text, in the environment of the login shell. Needs remora_path.
cd -- "$HOME" || exit 1
PATH=$remora_path
export PATH
(eval "$remora_command")
remora_status=$?
[ "$remora_status" = 0 ] || remora_fail step-failed "The installer ended with status $remora_status."
