# The app server. Needs remora_start_it, remora_survive (1 or nothing) and remora_limit.
remora_read_server() { remora_script_codex_program_server_find_limits_enforced_manager_server_unit_server_read </dev/null; }
remora_differs_service() {
  if [ "$remora_survive" != 1 ]; then
    [ "$(remora_one unit)" = unwanted ]
    return
  fi
  [ "$(remora_one manager)" = 1 ] && { [ "$(remora_one unit)" != same ] || [ "$(remora_one enabled)" != enabled ]; }
}
remora_judge_server() {
  remora_changes=
  if [ -z "$(remora_one codex)" ] && ! remora_said pid && [ -n "$remora_start_it$remora_survive" ]; then
    remora_later 'codex must be installed first'
    return
  fi
  [ -z "$remora_start_it" ] || remora_said pid || remora_changes='it is started'
  ! remora_differs_service || remora_changes="${remora_changes:+$remora_changes; }the service that starts it at boot is changed"
  if [ -n "$remora_changes" ]; then remora_different "$remora_changes"; else remora_same "process $(remora_one pid)"; fi
}
remora_apply_server() {
  remora_other_service=$(remora_differs_service && echo 1)
  if [ -n "$remora_other_service" ]; then
    remora_script_codex_program_manager_server_unit_server_unit_apply </dev/null
    ! remora_said failed || return
  fi
  [ -n "$remora_start_it" ] && ! remora_said pid || return 0
  (
    remora_codex=$(remora_one codex)
    remora_limit=60
    for remora_try in 1 2; do # another machine may take the socket's place meanwhile
      remora_choose_socket
      remora_script_launch </dev/null
      [ "$(cat "$remora_work/answers/outcome" 2>/dev/null)" = moved ] && rm -f "$remora_work/answers/outcome" || break
    done
  )
  case $(cat "$remora_work/answers/outcome" 2>/dev/null) in
    started | adopt) ;;
    *)
      remora_tell failed launch-failed
      remora_tell failed.detail "the app server did not start: $(cat "$remora_work/answers/log.tail" 2>/dev/null)"
      ;;
  esac
}
