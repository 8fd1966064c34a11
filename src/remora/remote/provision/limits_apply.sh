# Write down the limits of every app server that is started from now on, and let the user's service manager stay, which
# keeps them best. Needs manager.sh and remora_wish: lines, or nothing.
if [ -n "$remora_wish" ]; then
  [ -n "$remora_state" ] || remora_fail place-unusable "no folder can hold remora's state"
  remora_make_folder "$remora_state" 700
  printf %s "$remora_wish" | remora_replace "$remora_state/limits" 600 || exit 1
  remora_take_wishes
  if remora_find_manager && remora_take_kept; then remora_linger; fi
else
  rm -f -- "$remora_state/limits"
fi
