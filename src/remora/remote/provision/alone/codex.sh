# An install of codex of ours. Needs remora_location, remora_source, remora_keep, remora_limit, remora_pin and
# remora_package, which sets what one platform needs, and fails for one that nothing was brought along for.
remora_platform() {
  printf '%s-%s\n' "$remora_os" "$(remora_architecture | sed 's/^arm64$/aarch64/; s/^amd64$/x86_64/')"
}
remora_read_codex() { remora_script_codex_places_codex_read </dev/null; }
remora_judge_codex() {
  if ! remora_package "$(remora_platform)"; then
    remora_blocked platform-unsupported "no codex for $(remora_platform) was emitted; emit again with --platform $(remora_platform)"
  elif [ "$(remora_one state)" = intact ] && [ "$(remora_one content)" = "$remora_content" ]; then
    remora_same "$remora_version at $(remora_one current)"
  else
    remora_different "$remora_version becomes the current version"
  fi
}

# What the next ones change stays in this shell; a script that fails says so in an answer.
remora_prepare() {
  remora_package "$(remora_platform)"
  remora_beside=$((remora_beside + remora_archive_size / 2)) # the archive lies there, too
  remora_script_codex_places_codex_transfer_codex_prepare </dev/null
}
remora_prepare_codex() {
  remora_take
  remora_mark readiness=provisioning # first, so that folders come to be in the same order as ever
  remora_prepare
  remora_script_lock_leave </dev/null
  ! remora_said failed || remora_end "failed $(remora_one failed)" "$(remora_one failed.detail)"
  if remora_said ready || [ "$(remora_one have)" = "$remora_archive_size" ]; then remora_end same 'it is here already'; fi
  remora_script_codex_places_codex_transfer_part </dev/null
  remora_end ready "$(remora_platform) $(remora_one place)"
}
remora_apply_codex() {
  remora_prepare
  ! remora_said failed || return
  if ! remora_said ready; then
    remora_brought=
    if [ "$(remora_one have)" != "$remora_archive_size" ]; then
      remora_script_codex_places_codex_transfer_part </dev/null
      remora_brought=$(remora_one place)
      [ -f "$remora_brought" ] || remora_bring "$remora_brought"
      ! remora_said failed || return
      remora_form=gzip
    fi
    remora_script_codex_places_codex_transfer_codex_take_codex_install </dev/null
    [ -z "$remora_brought" ] || rm -f -- "$remora_brought"
    ! remora_said failed || return
  fi
  remora_script_codex_places_codex_transfer_codex_switch </dev/null
}

# remora_bring PLACE: have the whole archive at PLACE.
remora_bring() (
  case $remora_fetch in
    '') remora_fail provision-failed 'the archive of codex is not on this host' ;;
  esac
  remora_find_python || remora_fail tool-missing 'the host has no python3, which fetches codex'
  remora_text=$(PATH=$remora_path "$remora_python" -ISc "$remora_fetcher" "$remora_fetch" "$1" "$remora_content" 2>&1) ||
    remora_fail package-unavailable "$remora_text"
)
