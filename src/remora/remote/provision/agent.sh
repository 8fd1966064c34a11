# The agent that came with this session is for git alone, where the manifest says so; one of the host's own stays.
if [ -n "$remora_lent_agent" ] && [ "$(readlink -f -- "${SSH_AUTH_SOCK-}")" = "$(readlink -f -- "$remora_lent_agent")" ]; then
  unset SSH_AUTH_SOCK
fi
