# What a scorecard looks at in a folder, without running anything of it. Needs git.sh, remora_read_files (names of project
# files) and remora_guides (names of instructions). Contents of secrets are never read, names and modes are.
remora_tell folder.path "$remora_tree"
if [ -d "$remora_tree" ]; then
  [ -r "$remora_tree" ] && [ -x "$remora_tree" ] || { remora_tell folder.state closed && exit 0; }
  remora_tree=$(cd -- "$remora_tree" && pwd -P)
  remora_tell folder.path "$remora_tree"
elif [ -e "$remora_tree" ]; then
  remora_tell folder.state file
  exit 0
else
  remora_tell folder.state missing
  exit 0
fi
remora_tell folder.state ok

remora_top=$remora_tree
if ! (PATH=$remora_path && command -v git) >/dev/null 2>&1; then
  remora_tell git missing
elif ! remora_said=$(remora_git rev-parse --show-toplevel 2>&1); then
  remora_tell git none
  remora_tell git.detail "$remora_said"
else
  remora_tell git ok
  remora_top=$remora_said
  trap remora_leave_shelter EXIT
  remora_take_shelter
  remora_commit=$(remora_look rev-parse --verify --quiet 'HEAD^{commit}' 2>/dev/null)
  remora_tell commit "$remora_commit"
  remora_tell top "$remora_top"
  remora_tell prefix "$(remora_look rev-parse --show-prefix)"
fi

# remora_document NAME: its first line is the name, the rest what comes on standard input, not too much of it.
remora_document() { remora_tell "$2" "$1
$(head -c 40000 | tr -d '\000')"; }

if [ -n "${remora_commit-}" ]; then
  remora_tell files "$({
    remora_look ls-tree HEAD ./
    for remora_name in $remora_folders; do remora_look ls-tree HEAD "./$remora_name/"; done
  } 2>/dev/null | head -n 2000)"
  for remora_name in $remora_read_files; do
    remora_look cat-file -e "HEAD:./$remora_name" 2>/dev/null || continue
    remora_look show "HEAD:./$remora_name" 2>/dev/null | remora_document "$remora_name" project
  done

  # What a review would have before it: the work that is not committed, and a commit to compare with.
  remora_tell changes "$({
    remora_look status --porcelain --ignore-submodules=dirty
    remora_dirty_below
  } 2>&1 | head -n 1000)"
  remora_tell size "$(remora_look diff --no-ext-diff --no-textconv --ignore-submodules=dirty HEAD --shortstat 2>/dev/null)"
  remora_tell largest "$(remora_look diff --no-ext-diff --no-textconv --ignore-submodules=dirty HEAD --stat=72 2>/dev/null | head -n 8)"
  remora_branch=$(remora_look symbolic-ref --quiet --short HEAD)
  for remora_name in '@{upstream}' origin/HEAD origin/main origin/master main master; do
    remora_seen=$(remora_look rev-parse --abbrev-ref --verify --quiet "$remora_name" 2>/dev/null) || continue
    [ -n "$remora_seen" ] && [ "$remora_seen" != "$remora_branch" ] || continue
    remora_base=$(remora_look merge-base HEAD "$remora_name" 2>/dev/null) || continue
    remora_tell base "$remora_seen"
    remora_tell base.commit "$remora_base"
    remora_tell base.size "$(remora_look diff --no-ext-diff --no-textconv --ignore-submodules=dirty --shortstat "$remora_base" HEAD 2>/dev/null)"
    case $remora_name in main | master) ;; *) remora_tell base.remote 1 ;; esac
    break
  done
fi

for remora_name in $remora_guides; do
  for remora_place in "$remora_tree" "$remora_top"; do
    [ -f "$remora_place/$remora_name" ] && [ -r "$remora_place/$remora_name" ] || continue
    remora_document "$remora_name" guide <"$remora_place/$remora_name"
    break
  done
done

# remora_others MODE: whether all may read what has it.
remora_others() { case $1 in *[4567]) ;; *) return 1 ;; esac; }

# remora_secret KIND FILE: say whether others on this machine can read it: open, shut off (by a folder above) or closed.
remora_secret() {
  remora_mode_seen=$(remora_mode "$2")
  remora_state_seen=closed
  if remora_others "$remora_mode_seen"; then
    remora_state_seen=open
    remora_above=$(remora_resolve "$2" || printf '%s\n' "$2")
    while remora_above=${remora_above%/*} && [ -n "$remora_above" ]; do
      case $(remora_mode "$remora_above") in *[1357]) ;; *) remora_state_seen=shut-off ;; esac
    done
  fi
  remora_tell "secret.$1" "$remora_state_seen $remora_mode_seen $2"
}
[ ! -f "$remora_home/auth.json" ] || remora_secret account "$remora_home/auth.json"
for remora_name in "$HOME"/.ssh/* "$HOME"/.netrc "$HOME"/.aws/credentials "$HOME"/.config/gh/hosts.yml; do
  [ -f "$remora_name" ] || continue
  case $remora_name in
    */.ssh/*) head -n 1 -- "$remora_name" 2>/dev/null | grep -q 'PRIVATE KEY' || continue ;;
  esac
  remora_secret account "$remora_name"
done
find "$remora_tree" -maxdepth 4 \( -name .git -o -name node_modules -o -name .venv -o -name vendor \) -prune -o \
  -type f \( -name .env -o -name '.env.*' -o -name '*.env' -o -name '*.pem' -o -name '*.key' -o -name 'id_*' -o \
  -name credentials.json -o -name .npmrc -o -name .pypirc \) -print 2>/dev/null | head -n 50 |
  while IFS= read -r remora_name; do
    case $remora_name in
      *.example | *.sample | *.template | *.dist | *.pub) continue ;;
      *.pem | *.key | */id_*) head -n 1 -- "$remora_name" 2>/dev/null | grep -q 'PRIVATE KEY' || continue ;;
    esac
    remora_secret repository "$remora_name"
  done

# Where the sandbox may be tried: a folder of ours for the inside, a place away from the home for the outside.
if [ -n "$remora_state" ] && (umask 077 && mkdir -p -- "$remora_state") 2>/dev/null && [ -w "$remora_state" ]; then
  remora_tell sandbox.inside "$remora_state"
fi
for remora_place in /var/tmp "${TMPDIR:-/tmp}" /tmp /dev/shm; do
  case $remora_place/ in "$HOME"/*) continue ;; esac
  [ -d "$remora_place" ] && [ -w "$remora_place" ] || continue
  remora_tell sandbox.outside "$remora_place"
  break
done
