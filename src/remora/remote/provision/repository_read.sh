# What a project's folder is, and which commit it should be at. Needs git.sh, remora_repository and
# remora_ref. Only a branch needs a word with the origin.
remora_examine_folder() {
  if ! (PATH=$remora_path && command -v git) >/dev/null 2>&1; then
    remora_tell state no-git
  elif [ ! -e "$remora_tree" ] && [ ! -L "$remora_tree" ]; then
    remora_tell state absent
  elif [ ! -d "$remora_tree" ]; then
    remora_tell state foreign
    remora_tell detail "it is not a folder"
  elif [ ! -r "$remora_tree" ] || [ ! -x "$remora_tree" ]; then
    remora_tell state foreign
    remora_tell detail "this account cannot read it"
  elif [ -z "$(ls -A -- "$remora_tree" 2>/dev/null)" ]; then
    remora_tell state empty
  elif ! remora_top=$(remora_git rev-parse --show-toplevel 2>/dev/null); then
    remora_tell state foreign
    remora_tell detail "$(remora_git rev-parse --show-toplevel 2>&1)"
  elif [ "$(cd -- "$remora_tree" && pwd -P)" != "$(cd -- "$remora_top" && pwd -P)" ]; then
    remora_tell state foreign
    remora_tell detail "it is part of the repository $remora_top"
  else
    remora_tell state repository
    return 0
  fi
  return 1
}

remora_wish() {
  remora_target=$2
  remora_tell wish "$1"
  remora_tell target "$2"
}

# A whole commit and a tag that is known here need no word with the origin.
remora_find_here() {
  case ${#remora_ref}:$remora_ref in
    *:*[!0-9a-f]*) ;;
    40:* | 64:*)
      remora_wish commit "$remora_ref"
      return
      ;;
  esac
  remora_id=$(remora_commit_of "refs/tags/$remora_ref") && ! remora_has_ref "refs/remotes/origin/$remora_ref" &&
    remora_wish tag "$remora_id"
}

# remora_listed NAME: the commit that the origin lists under it.
remora_listed() {
  printf '%s\n' "$remora_list" | while IFS='	' read -r remora_id remora_name; do
    [ "$remora_name" != "$1" ] || printf '%s\n' "$remora_id"
  done | sed -n '/^[0-9a-f]*$/{p;q;}'
}

remora_find_there() {
  remora_list=$(remora_ask_origin ls-remote --symref -- "$remora_repository" "$remora_ref" "$remora_ref^{}" 2>&1) || {
    remora_tell unanswered "${remora_list:-git ls-remote said nothing within $remora_patience seconds}"
    return
  }
  remora_branch=$remora_ref
  [ "$remora_ref" != HEAD ] || remora_branch=$(printf '%s\n' "$remora_list" | sed -n 's|^ref: refs/heads/\(.*\)	HEAD$|\1|p')
  remora_id=$(remora_listed "refs/heads/$remora_branch")
  [ "$remora_ref" != HEAD ] || remora_id=$(remora_listed HEAD)
  if [ -n "$remora_id" ] && [ -n "$remora_branch" ]; then
    remora_wish branch "$remora_id"
    remora_tell target-branch "$remora_branch"
    return
  fi
  remora_branch=
  remora_id=$(remora_listed "refs/tags/$remora_ref^{}")
  [ -n "$remora_id" ] || remora_id=$(remora_listed "refs/tags/$remora_ref")
  if [ -n "$remora_id" ]; then
    remora_wish tag "$remora_id"
    return
  fi
  # A name in full, such as refs/pull/42/head of a pull request.
  remora_id=$(remora_listed "$remora_ref^{}")
  [ -n "$remora_id" ] || remora_id=$(remora_listed "$remora_ref")
  case $remora_ref:$remora_id in
    refs/*:?*)
      remora_wish commit "$remora_id"
      return
      ;;
  esac
  remora_id=$(remora_commit_of "$remora_ref")
  case $remora_id in
    '') ;;
    "$remora_ref"*)
      remora_wish commit "$remora_id"
      return
      ;;
  esac
  remora_tell unanswered "the origin has no branch and no tag $remora_ref"
}

remora_compare() {
  remora_look_at_tree
  remora_tell head "$remora_head"
  remora_tell branch "$(remora_git symbolic-ref --quiet --short HEAD 2>/dev/null)"
  remora_tell changed "$(printf '%s\n' "$remora_changed" | head -n 5)"
  if [ -n "$remora_head" ] && ! remora_git symbolic-ref --quiet HEAD >/dev/null 2>&1 &&
    [ -z "$(remora_git for-each-ref --count=1 --contains "$remora_head" 2>/dev/null)" ]; then
    remora_tell stray 1
  fi
  [ -n "$remora_target" ] && [ -n "$remora_head" ] || return 0
  if ! remora_commit_of "$remora_target" >/dev/null; then
    remora_tell relation unknown
  elif remora_git merge-base --is-ancestor "$remora_head" "$remora_target" 2>/dev/null; then
    remora_tell relation behind
  elif remora_git merge-base --is-ancestor "$remora_target" "$remora_head" 2>/dev/null; then
    remora_tell relation ahead
  else
    remora_tell relation apart
  fi
}

remora_tell folder "$remora_tree"
remora_tell agent "$remora_agent"
remora_target= remora_branch=
if remora_examine_folder; then
  remora_origin=$(remora_git config --get remote.origin.url)
  remora_tell origin "$remora_origin"
  if [ "$remora_origin" = "$remora_repository" ]; then
    remora_find_here || remora_find_there
    remora_compare
  fi
fi
