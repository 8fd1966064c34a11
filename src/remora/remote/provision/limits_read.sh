# The limits that the next app server will keep, and whether the strongest means for them can be had. Needs manager.sh.
if [ -r "$remora_state/limits" ]; then
  remora_tell file "$(head -c 1000 -- "$remora_state/limits")"
  remora_take_wishes
  if remora_find_manager && remora_take_kept; then
    if remora_lingers; then remora_tell linger yes; else remora_tell linger no; fi
  fi
fi
