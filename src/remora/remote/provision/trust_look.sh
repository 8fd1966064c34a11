# What the repository brings. Needs remora_looker, and remora_arguments: shell words for it.
eval "set -- $remora_arguments"
remora_tell look "$(/bin/sh -c "$remora_looker" remora-look "$@")"
