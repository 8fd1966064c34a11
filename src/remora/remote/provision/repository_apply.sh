# Clone or update a repository. Needs git.sh, remora_repository, remora_ref, remora_here and, where there was a
# repository when this run looked, remora_wish (commit, tag or branch), remora_target and remora_branch.

# remora_switch GIT: take the work tree to the ref. git itself refuses what would overwrite a change; nothing here forces it.
remora_switch() {
  if [ "$remora_wish" != branch ]; then
    "$1" checkout --quiet --detach "$remora_target" --
  elif remora_has_ref "refs/heads/$remora_branch"; then
    "$1" checkout --quiet "$remora_branch" -- && "$1" merge --quiet --ff-only "refs/remotes/origin/$remora_branch"
  else
    "$1" checkout --quiet -b "$remora_branch" --no-track "refs/remotes/origin/$remora_branch" -- &&
      remora_git config "branch.$remora_branch.remote" origin &&
      remora_git config "branch.$remora_branch.merge" "refs/heads/$remora_branch"
  fi
}

# What the ref means in a fresh clone.
remora_learn() {
  remora_wish=branch
  remora_branch=$remora_ref
  [ "$remora_ref" != HEAD ] || remora_branch=$(remora_git symbolic-ref --short HEAD)
  ! remora_has_ref "refs/remotes/origin/$remora_branch" || return 0
  remora_wish=commit
  remora_target=$(remora_commit_of "refs/tags/$remora_ref") && return
  remora_target=$(remora_commit_of "$remora_ref") && return
  remora_ask_origin -C "$remora_tree" fetch --quiet origin "$remora_ref" && remora_target=$(remora_commit_of FETCH_HEAD)
}

# remora_give_up REASON WORDS: take the half clone away and say why.
remora_give_up() {
  remora_free=$(remora_free_kb "$remora_tree")
  rm -rf -- "$remora_tree"
  [ "$remora_free" != 0 ] || remora_fail disk-full "$remora_final"
  remora_fail "$@"
}

# A clone appears in its place all at once; what a run that was killed has left is under a name of this machine's own.
remora_clone() {
  remora_final=$remora_tree
  remora_make_folder "${remora_final%/*}"
  remora_tree=${remora_final%/*}/.${remora_final##*/}.remora-$remora_here
  rm -rf -- "$remora_tree" || remora_fail place-unusable "$remora_tree"
  remora_ask_origin clone --no-checkout --origin origin -- "$remora_repository" "$remora_tree" ||
    remora_give_up repository-failed "git clone $remora_repository"
  if [ "$remora_ref" != HEAD ] || remora_commit_of HEAD >/dev/null; then
    remora_learn || remora_give_up repository-failed "the origin has no branch, tag or commit $remora_ref"
    remora_switch remora_git || remora_give_up repository-failed "git checkout $remora_ref"
  fi
  rmdir -- "$remora_final" 2>/dev/null
  remora_said=$(LC_ALL=C remora_move_folder "$remora_tree" "$remora_final" 2>&1) && return
  [ -e "$remora_final" ] || remora_give_up place-unusable "$remora_final: $remora_said"
  rm -rf -- "$remora_tree"
  remora_accept "$remora_final"
}

# remora_accept FOLDER: it was not there when this run looked. Another machine of the same home may have been quicker:
# whether what it left is right, the next look will tell.
remora_accept() { [ -e "$1/.git" ] || remora_fail repository-changed "$1 was filled by another program"; }

# remora_in_turn COMMAND...: git lets one of two at its locks; the other one of another machine, or of a person, is soon done.
remora_in_turn() {
  for remora_pause in 1 1 2 2 ''; do
    ! remora_said=$("$@" 2>&1) || return 0
    case $remora_pause$remora_said in [12]*".lock': File exists"* | [12]*'cannot lock ref'*) sleep "$remora_pause" ;; *) break ;; esac
  done
  printf '%s\n' "$remora_said" >&2
  case $remora_said in *".lock': File exists"*) remora_fail repository-failed "another git command runs in $remora_tree" ;; esac
  return 1
}

remora_update() {
  remora_look_at_tree
  [ -z "$remora_changed" ] || remora_fail repository-changed "$remora_tree"
  remora_open_shelter || remora_fail repository-failed "$remora_tree: its references cannot be read"
  trap remora_leave_shelter EXIT
  if [ "$remora_wish" = branch ]; then
    remora_in_turn remora_act fetch --quiet origin "+refs/heads/$remora_branch:refs/remotes/origin/$remora_branch"
  elif ! remora_commit_of "$remora_target" >/dev/null; then
    remora_in_turn remora_act fetch --quiet --tags origin
    remora_commit_of "$remora_target" >/dev/null ||
      remora_in_turn remora_act fetch --quiet origin "$remora_target"
  fi || remora_fail repository-failed "git fetch"
  remora_in_turn remora_switch remora_act && remora_return || remora_fail repository-changed "$remora_tree"
}

if [ ! -e "$remora_tree" ] || [ -z "$(ls -A -- "$remora_tree" 2>/dev/null)" ]; then
  remora_clone
elif [ -z "$remora_wish" ]; then
  remora_accept "$remora_tree"
else
  remora_update
fi
