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
  exec git -C "$remora_tree" -c core.fsmonitor=false "$@"
)

# remora_ask_origin WORDS...: git, where it speaks to the origin. Nothing asks anybody; only here the agent is seen.
remora_ask_origin() (
  remora_alone_with_git
  if [ -z "${GIT_SSH-}" ] || [ -n "${GIT_SSH_COMMAND-}" ]; then
    remora_ssh=${GIT_SSH_COMMAND:-$(remora_git config --get core.sshCommand 2>/dev/null || git config --get core.sshCommand || echo ssh)}
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
)

# remora_commit_of NAME: the commit that it means here.
remora_commit_of() { remora_git rev-parse --verify --quiet "$1^{commit}" 2>/dev/null; }

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
    remora_changed=$(remora_git status --porcelain --untracked-files=no --ignore-submodules=none 2>/dev/null) ||
      remora_changed=$(remora_git status 2>&1)
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
