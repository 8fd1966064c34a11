# Run a project's script in its folder, in the environment of the login shell, and note that it succeeded. Needs git.sh,
# remora_record, remora_digest_wished, remora_commit, remora_environment (assignments) and remora_script. Assignments
# of secrets come on standard input; they are in the environment of the script and nowhere else.
[ "$(remora_commit_of HEAD)" = "$remora_commit" ] || remora_fail step-unproven "$remora_tree has moved to another commit"
# What counts from before does so only until it is tried again; behind a set-up, its smoke test too.
rm -f -- "$remora_state/$remora_record" "$remora_state/smoke-${remora_record#*-}"
remora_secrets=$(cat)
(
  PATH=$remora_path
  export PATH
  cd -- "$remora_tree" || exit 125
  eval "$remora_environment"
  eval "$remora_secrets"
  unset remora_secrets
  case $remora_script in
    '#!'*)
      remora_interpreter=${remora_script#'#!'}
      remora_interpreter=${remora_interpreter%%"
"*}
      ;;
    *) remora_interpreter='/bin/sh -e' ;;
  esac
  # A program reads its own file best where it is none: by a descriptor, so that nothing is executed from a disk.
  printf '%s\n' "$remora_script" | {
    exec 3<&0 </dev/null 5>&-
    # shellcheck disable=SC2086
    exec $remora_interpreter /dev/fd/3 3<&3
  }
)
remora_status=$?
[ "$remora_status" = 0 ] || remora_fail step-failed "it ended with status $remora_status"
[ -z "$remora_state" ] || printf '%s\n' "$remora_digest_wished" | remora_replace "$remora_state/$remora_record" 600 || exit 1
