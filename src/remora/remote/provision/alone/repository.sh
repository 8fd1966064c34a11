# A repository at a ref. Needs remora_folder, remora_repository, remora_ref and remora_lend; work that was done there is
# never lost.
remora_read_repository() (
  remora_patience=20
  remora_script_git_repository_read </dev/null
)
remora_judge_repository() {
  remora_place=$(remora_one folder)
  case $(remora_one state) in
    no-git) remora_blocked tool-missing 'the host has no git' ;;
    absent | empty)
      remora_different "clone $remora_repository at $remora_ref into $remora_place"
      [ -z "$remora_lend" ] || [ -n "$(remora_one agent)" ] || remora_blocked repository-failed 'the host has no SSH agent'
      ;;
    repository)
      if [ "$(remora_one origin)" != "$remora_repository" ]; then
        remora_blocked repository-changed "$remora_place is another repository, so it was not changed"
      elif [ -n "$remora_lend" ] && [ -z "$(remora_one agent)" ]; then
        remora_blocked repository-failed 'the host has no SSH agent'
      else
        remora_judge_tree
      fi
      ;;
    *) remora_blocked repository-changed "$remora_place is not the top folder of a repository: $(remora_one detail)" ;;
  esac
}
remora_judge_tree() {
  remora_head=$(remora_one head)
  remora_target=$(remora_one target)
  remora_branch=
  [ "$(remora_one wish)" != branch ] || remora_branch=$(remora_one target-branch)
  remora_on_branch=1
  [ -z "$remora_branch" ] || [ "$(remora_one branch)" = "$remora_branch" ] || remora_on_branch=
  if [ -z "$remora_target" ]; then
    remora_blocked repository-failed "the host could not read the branches and tags of the origin: $(remora_one unanswered)"
  elif [ -n "$remora_on_branch" ] && [ "$remora_head" = "$remora_target" ]; then
    remora_same "$remora_place is at $remora_ref, $remora_head"
  elif [ -n "$remora_branch$remora_on_branch" ] && [ -n "$remora_branch" ] && [ -n "$remora_on_branch" ] && [ "$(remora_one relation)" = ahead ]; then
    remora_same "$remora_place is ahead of $remora_ref"
  elif [ -n "$(remora_one changed)" ]; then
    remora_blocked repository-changed "$remora_place has changes, which an update would lose"
  elif remora_said stray; then
    remora_blocked repository-changed "$remora_place is at a commit that no branch holds, which an update would lose"
  elif [ -n "$remora_branch" ] && [ -n "$remora_on_branch" ] && [ "$(remora_one relation)" = apart ]; then
    remora_blocked repository-changed "$remora_place has a $remora_branch of its own, which an update would lose"
  else
    remora_different "$remora_place: $remora_ref, ${remora_head:-nothing} becomes $remora_target"
  fi
}
remora_apply_repository() {
  remora_patience=
  remora_wish=$(remora_one wish)
  remora_target=$(remora_one target)
  remora_branch=$(remora_one target-branch)
  remora_lent_agent=$(remora_one agent)
  remora_run_long remora_script_git_repository_apply "$remora_log_name" "$remora_long" remora_folder remora_repository \
    remora_ref remora_lend remora_patience remora_wish remora_target remora_branch remora_lent_agent </dev/null
}
