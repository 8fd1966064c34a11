# Sign codex in, and ask whether the login is good. Needs login_functions.sh, remora_how and:
#   login   remora_option, remora_size: the secret, which is sent behind this script
#   prove   remora_patience: the new login, by a real request
#   keep    remora_record (lines, without the stamp; nothing: no record): the new login takes the place of the old one
#   drop    nothing: the new login goes
#   status  remora_patience: the login that is there, by a real request
# What codex said goes back as it is; it names no secret, and our side looks for it all the same.
remora_sign_in() {
  remora_seen=$(remora_as_user env CODEX_HOME="$remora_new" "$remora_program" login "$remora_option" \
    -c 'cli_auth_credentials_store="file"' 2>&1)
  remora_status=$?
  remora_tell login.status "$remora_status"
  remora_tell login.said "$(printf %s "$remora_seen" | remora_newest)"
}

remora_keep() {
  [ -s "$remora_new/auth.json" ] || remora_fail step-failed "the new login has disappeared"
  remora_make_folder "$remora_real" 700
  remora_replace "$remora_real/auth.json" 600 <"$remora_new/auth.json" || exit 1
  # A configuration may say that logins lie in a keyring: then codex does not look at the file.
  remora_as_user "$remora_program" login status >/dev/null 2>&1 </dev/null ||
    remora_fail step-failed "codex does not use the login: check cli_auth_credentials_store in config.toml"
  printf '%sstamp=%s\n' "$remora_record" "$(remora_digest "$remora_new/auth.json")" | remora_replace "$remora_state/login" 600 || exit 1
  rm -rf -- "$remora_new"
}

case $remora_how in
  login)
    remora_make_new_home
    # An older codex takes an option that it does not know for a mistake, and the secret with it.
    case $(remora_as_user env CODEX_HOME=/dev/null "$remora_program" login --help 2>/dev/null </dev/null) in
      *"$remora_option"*) ;;
      *)
        remora_seen=$(remora_as_user env CODEX_HOME=/dev/null "$remora_program" --version 2>/dev/null </dev/null)
        remora_fail step-failed "${remora_seen:-codex} does not support login $remora_option: update codex"
        ;;
    esac
    remora_receive remora_sign_in
    ;;
  prove) (
    CODEX_HOME=$remora_new
    export CODEX_HOME
    remora_store='cli_auth_credentials_store="file"'
    remora_prove "$remora_new/talk"
  ) ;;
  keep) remora_keep ;;
  drop) rm -rf -- "$remora_new" ;;
  status)
    for remora_item in "$remora_state"/talk-*; do # what is left of those that were killed
      kill -0 "${remora_item##*-}" 2>/dev/null || rm -rf -- "$remora_item"
    done
    remora_prove "$remora_state/talk-$$"
    ;;
esac
