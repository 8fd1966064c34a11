# The agent that came with this session is for git alone, where the manifest says so; one of the host's own stays.
if [ -n "$remora_lent_agent" ] && [ "$(remora_resolve "${SSH_AUTH_SOCK-}")" = "$(remora_resolve "$remora_lent_agent")" ]; then
  unset SSH_AUTH_SOCK
fi
