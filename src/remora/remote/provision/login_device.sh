# Sign codex in with a code that a person enters elsewhere, in a home of its own. Needs login_functions.sh.
remora_make_new_home
remora_as_user env CODEX_HOME="$remora_new" "$remora_program" login --device-auth -c 'cli_auth_credentials_store="file"'
