# A project's set-up or smoke test. Needs the variables of git.sh, remora_record, remora_script, remora_environment,
# remora_secret_names, and remora_digest_head and remora_digest_tail: what the record's digest is over, around the commit.
remora_read_project() { remora_script_git_project_read </dev/null; }
remora_digest_at() { printf '%s%s%s' "$remora_digest_head" "$1" "$remora_digest_tail" | remora_sum; }
remora_judge_project() {
  remora_commit=$(remora_one commit)
  if [ -z "$remora_commit" ]; then
    remora_later 'runs after the repository is cloned'
  elif [ "$(remora_one 'done')" = "$(remora_digest_at "$remora_commit")" ]; then
    remora_same "succeeded at $remora_commit"
  else
    remora_different "runs at $remora_commit"
  fi
}
remora_apply_project() {
  remora_digest_wished=$(remora_digest_at "$remora_commit")
  for remora_name in $remora_secret_names; do
    [ -n "$(remora_secret "$remora_name")" ] || {
      remora_tell failed secret-missing
      remora_tell failed.detail "the secret for $remora_name is not set or is empty"
      return
    }
  done
  for remora_name in $remora_secret_names; do
    remora_value=$(remora_secret "$remora_name" && echo .)
    eval "$remora_name=\${remora_value%.}"
    remora_quoted "$remora_name"
    printf 'export %s\n' "$remora_name"
    unset "$remora_name"
  done | remora_run_long remora_script_git_project_run "$remora_log_name" "$remora_long" remora_folder remora_repository remora_ref \
    remora_lend remora_patience remora_record remora_digest_wished remora_commit remora_environment remora_script
}
