# Functions for git. Needs remora_folder, remora_patience (seconds for a word with the origin, nothing where something
# else limits it) and remora_lend: 1 when git may use the agent of this session, whose socket is remora_lent_agent.
remora_agent=
[ -z "$remora_lend" ] || remora_agent=${remora_lent_agent-}
remora_tree=$(remora_expand "$remora_folder")
case $remora_tree in
  /*) ;;
  *) remora_tree=$HOME/$remora_tree ;;
esac
while :; do
  case $remora_tree in
    ?*/) remora_tree=${remora_tree%/} ;;
    *) break ;;
  esac
done

# git finds what the login shell finds, looks at no other repository, asks nobody, and only looks where it only looks.
remora_alone_with_git() {
  unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY SSH_ASKPASS
  GIT_ASKPASS= # set to nothing, so that core.askPass asks nobody either
  GIT_TERMINAL_PROMPT=0
  GIT_OPTIONAL_LOCKS=0
  LC_ALL=C
  PATH=$remora_path
  export GIT_ASKPASS GIT_TERMINAL_PROMPT GIT_OPTIONAL_LOCKS LC_ALL PATH
  exec </dev/null 5>&- 8<&- 9<&-
}

# A program that a repository's own configuration names for looking is left out: an agent may have written that there.
remora_git() (
  remora_alone_with_git
  exec git -C "$remora_tree" -c core.fsmonitor=false -c core.hooksPath=/dev/null "$@"
)

# remora_take_shelter: from here on remora_look reads the repository without its configuration. A filter, a hook or an
# origin in that can name any program, by more keys than can be listed. So git is given a folder that has its references,
# a copy of its index and, of its configuration, only what says how those are to be read.
remora_shelter=
remora_take_shelter() {
  remora_own=$(remora_git rev-parse --absolute-git-dir) && remora_root=$(remora_git rev-parse --show-toplevel) || return
  remora_common=$(cd -- "$remora_tree" && cd -- "$(remora_git rev-parse --git-common-dir)" && pwd -P) || return
  [ -f "$remora_own/HEAD" ] || return
  remora_shelter=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/remora-git.XXXXXXXX") || return
  mkdir -- "$remora_shelter/info"
  for remora_name in refs packed-refs reftable shallow info/exclude; do
    [ ! -e "$remora_common/$remora_name" ] || ln -s -- "$remora_common/$remora_name" "$remora_shelter/$remora_name"
  done
  for remora_name in "$remora_own"/sharedindex.* "$remora_own/info/sparse-checkout"; do
    [ ! -f "$remora_name" ] || ln -s -- "$remora_name" "$remora_shelter/${remora_name#"$remora_own/"}"
  done
  cat -- "$remora_own/HEAD" >"$remora_shelter/HEAD"
  [ ! -f "$remora_own/index" ] || cp -p -- "$remora_own/index" "$remora_shelter/index" || return
  remora_branch_seen=$(remora_git symbolic-ref --quiet --short HEAD)
  remora_remote_seen=$(remora_git config --get "branch.$remora_branch_seen.remote" 2>/dev/null)
  remora_merge_seen=$(remora_git config --get "branch.$remora_branch_seen.merge" 2>/dev/null)
  remora_git config --get-regexp '^(core\.(repositoryformatversion|filemode|ignorecase|symlinks|autocrlf|eol|precomposeunicode|longpaths|sparsecheckout|sparsecheckoutcone|trustctime|checkstat)|extensions\.(objectformat|refstorage|noop))$' 2>/dev/null |
    while read -r remora_name remora_seen; do
      case $remora_seen in
        '' | *[!A-Za-z0-9]*) ;;
        *) printf '[%s]\n\t%s = %s\n' "${remora_name%%.*}" "${remora_name#*.}" "$remora_seen" ;;
      esac
    done >"$remora_shelter/config"
  remora_keep_large_files
  if [ -n "$remora_merge_seen" ]; then
    remora_git config --file "$remora_shelter/config" "branch.$remora_branch_seen.remote" "$remora_remote_seen"
    remora_git config --file "$remora_shelter/config" "branch.$remora_branch_seen.merge" "$remora_merge_seen"
    remora_git config --file "$remora_shelter/config" "remote.$remora_remote_seen.fetch" "+refs/heads/*:refs/remotes/$remora_remote_seen/*"
  fi
}
# git-lfs works although only the clone names it (git lfs install --local), and then as it names itself everywhere.
remora_keep_large_files() {
  case $(remora_git config --local --get filter.lfs.process 2>/dev/null) in 'git-lfs filter-process'*) ;; *) return 0 ;; esac
  cat >>"$remora_shelter/config" <<\EOF
[filter "lfs"]
clean = git-lfs clean -- %f
smudge = git-lfs smudge -- %f
process = git-lfs filter-process
required = true
EOF
}
remora_leave_shelter() {
  [ -z "$remora_shelter" ] || rm -rf -- "$remora_shelter"
  remora_shelter=
}

# From here on git uses the shelter, and the objects and the work tree of the repository.
remora_enter_shelter() {
  [ -n "$remora_shelter" ] && cd -- "$remora_tree" || exit 128
  GIT_DIR=$remora_shelter
  GIT_WORK_TREE=$remora_root
  GIT_OBJECT_DIRECTORY=$remora_common/objects
  export GIT_DIR GIT_WORK_TREE GIT_OBJECT_DIRECTORY
}

# remora_look WORDS...: git, where it only looks. Nothing that the repository names is run; without a shelter nothing is
# looked at. The work tree of a submodule has a configuration of its own: say --ignore-submodules=dirty.
remora_look() (
  remora_alone_with_git
  remora_enter_shelter
  GIT_ALLOW_PROTOCOL=none # an object that is missing is fetched from nowhere
  export GIT_ALLOW_PROTOCOL
  exec git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c log.showSignature=false "$@"
)

# remora_dirty_below: a line for each submodule whose own work tree has changes to files that its git knows.
remora_dirty_below() {
  remora_look -c core.quotePath=false ls-files --stage | sed -n 's/^160000 [0-9a-f]* [0-3]	//p' |
    while IFS= read -r remora_name; do
      [ -e "$remora_tree/$remora_name/.git" ] || continue
      (
        remora_below=$remora_name
        remora_tree=$remora_tree/$remora_name
        remora_shelter=
        [ -z "$(remora_changes 2>&1)" ] || printf ' M %s\n' "$remora_below"
      )
    done
}

# remora_changes: a line for each change to a file that git knows.
remora_changes() {
  remora_take_shelter || return
  remora_look status --porcelain --untracked-files=no --ignore-submodules=dirty
  remora_code=$?
  remora_dirty_below
  remora_leave_shelter
  return "$remora_code"
}

# remora_ask_origin WORDS...: git, where it speaks to the origin. Nothing asks anybody; only here the agent is seen.
remora_ask_origin() (
  remora_alone_with_git
  remora_converse "$@"
)
remora_converse() {
  if [ -z "${GIT_SSH-}" ] || [ -n "${GIT_SSH_COMMAND-}" ]; then
    remora_ssh=${GIT_SSH_COMMAND:-$(git config --get core.sshCommand || echo ssh)}
    GIT_SSH_COMMAND="$remora_ssh -o BatchMode=yes"
    export GIT_SSH_COMMAND
  fi
  if [ -n "$remora_agent" ]; then
    SSH_AUTH_SOCK=$remora_agent
    export SSH_AUTH_SOCK
  fi
  set -- git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 "$@"
  if [ -n "$remora_patience" ] && command -v timeout >/dev/null 2>&1; then
    set -- timeout "$remora_patience" "$@"
  elif [ -n "$remora_patience" ] && command -v perl >/dev/null 2>&1; then
    set -- perl -e 'alarm shift; exec @ARGV' "$remora_patience" "$@"
  fi
  exec "$@"
}

# remora_act WORDS...: git, where it brings the repository forward, with the programs that the account's own configuration
# names (as for git-lfs) and none that the repository's does. Needs remora_open_shelter before, remora_return after it.
remora_act() (
  remora_alone_with_git
  remora_enter_shelter
  GIT_INDEX_FILE=$remora_own/index
  export GIT_INDEX_FILE
  remora_converse -c core.splitIndex=false -c submodule.recurse=false -c fetch.recurseSubmodules=false "$@"
)

# remora_open_shelter: a shelter in which what is done is done to the repository.
remora_open_shelter() {
  remora_take_shelter || return
  for remora_name in logs lfs info/attributes; do
    [ ! -e "$remora_common/$remora_name" ] || ln -s -- "$remora_common/$remora_name" "$remora_shelter/$remora_name"
  done
  [ "$remora_own" != "$remora_common" ] || [ ! -d "$remora_own/worktrees" ] || ln -s -- "$remora_own/worktrees" "$remora_shelter/worktrees"
  rm -f -- "$remora_shelter/index"
  remora_in_shelter remote.origin.url "$remora_repository" && remora_in_shelter remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*' || return
  [ "$(remora_git config --get extensions.partialClone 2>/dev/null)" != origin ] || {
    remora_in_shelter core.repositoryFormatVersion 1 && remora_in_shelter extensions.partialClone origin &&
      remora_in_shelter remote.origin.promisor true && remora_in_shelter remote.origin.partialCloneFilter \
      "$(remora_git config --get remote.origin.partialCloneFilter 2>/dev/null)"
  }
}
remora_in_shelter() { remora_git config --file "$remora_shelter/config" --replace-all "$1" "$2"; }

# remora_return: what git changed in the shelter alone holds for the repository, too.
remora_return() {
  remora_seen=$(cat -- "$remora_shelter/HEAD")
  if [ "$remora_seen" != "$(cat -- "$remora_own/HEAD")" ]; then
    case $remora_seen in
      'ref: '*) remora_git symbolic-ref HEAD "${remora_seen#ref: }" ;;
      *) remora_git update-ref --no-deref HEAD "$remora_seen" ;;
    esac || return
  fi
  if [ -d "$remora_shelter/lfs" ] && [ ! -L "$remora_shelter/lfs" ]; then
    mv -- "$remora_shelter/lfs" "$remora_common/lfs"
  fi
}

# remora_commit_of NAME: the commit that it means here; one that is missing is fetched from nowhere.
remora_commit_of() (
  GIT_ALLOW_PROTOCOL=none
  export GIT_ALLOW_PROTOCOL
  remora_git rev-parse --verify --quiet "$1^{commit}" 2>/dev/null
)

# remora_has_ref REF: whether there is exactly that one.
remora_has_ref() { remora_git show-ref --verify --quiet "$1"; }

# remora_look_at_tree: set remora_head (the commit of HEAD) and remora_changed, the changes to files that git knows. While a
# git is at work, another machine's of the same home, a tree on its way to remora_target (of remora_branch, if it is to be
# on one) looks changed: what would be in the way counts only once it stands still.
remora_look_at_tree() {
  remora_earlier=
  for remora_pause in 1 1 1 2 2 3 3 3 4 ''; do
    remora_head=$(remora_commit_of HEAD)
    # What git warns of or traces meanwhile is no change.
    remora_changed=$(remora_changes 2>/dev/null) || remora_changed=$(remora_changes 2>&1)
    [ -n "$remora_changed" ] && [ -n "$remora_target" ] && ! remora_has_target || return 0
    [ "$remora_earlier" != "$remora_head $remora_changed" ] || remora_is_git_at_work || return 0
    remora_earlier="$remora_head $remora_changed"
    [ -z "$remora_pause" ] || sleep "$remora_pause"
  done
}
remora_has_target() {
  [ "$remora_head" != "$remora_target" ] || return 0
  [ -n "$remora_branch" ] && [ "$(remora_git symbolic-ref --quiet --short HEAD)" = "$remora_branch" ] &&
    remora_git merge-base --is-ancestor "$remora_target" "$remora_head" 2>/dev/null
}
remora_is_git_at_work() (cd -- "$remora_tree" && [ -e "$(remora_git rev-parse --git-path index.lock 2>/dev/null)" ])
