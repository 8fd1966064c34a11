# How codex is or could become visible: what is to be found, where a link may go, which start-up file would have a line.
# Needs codex_places.sh, codex_found.sh, remora_managed (1 for an install of ours) and remora_wished (a folder, or nothing).
if [ -n "$remora_managed" ]; then
  remora_program=$(remora_recorded program "$remora_current")
  remora_target=$remora_current/${remora_program:-bin/codex}
else
  remora_target=
  for remora_place in "$HOME/.local/bin" /usr/local/bin "$HOME/bin" "$HOME/.npm-global/bin" "$HOME/.cargo/bin" \
    "$HOME/.bun/bin" /opt/homebrew/bin "$HOME"/.nvm/versions/node/*/bin; do
    [ -n "$remora_target" ] || [ ! -x "$remora_place/codex" ] || remora_target=$remora_place/codex
  done
fi
remora_tell target "$remora_target"
[ ! -e "$remora_target" ] || remora_tell target.real "$(remora_resolve "$remora_target" || printf %s "$remora_target")"

remora_wished=$(remora_expand "$remora_wished")

# remora_is_ours PATH: a link that leads into our installs, whether or not that is there.
remora_is_ours() {
  remora_lead=$(readlink -- "$1" 2>/dev/null) || return 1
  case $remora_lead in "$remora_root"/*) return 0 ;; *) [ -n "$remora_target" ] && [ "$remora_lead" = "$remora_target" ] ;; esac
}

# remora_takes_link FOLDER: it is ours and writable, or could be made so, and no foreign codex lies there. Outside of the
# home only a folder that was named takes one, even of root; what belongs to the system's own packages takes none.
remora_takes_link() {
  case $1 in
    "$HOME"/*) ;;
    /bin | /sbin | /usr/bin | /usr/sbin) return 1 ;;
    *) [ "$1" = "${remora_wished%/}" ] || return 1 ;;
  esac
  if [ -d "$1" ]; then
    [ -w "$1" ] && remora_owns "$1" || return 1
  else
    case $1 in "$HOME"/*) remora_may_have "$1" || return 1 ;; *) return 1 ;; esac
  fi
  [ ! -e "$1/codex" ] && [ ! -L "$1/codex" ] || remora_is_ours "$1/codex"
}

remora_chosen=
remora_rank=0
remora_seen_wished=
remora_ifs=$IFS
IFS=:
set -f
for remora_place in $remora_path; do
  remora_place=${remora_place%/}
  case $remora_place in /*) ;; *) continue ;; esac
  if [ "$remora_place" = "${remora_wished%/}" ]; then
    remora_seen_wished=1
    [ ! -e "$remora_place/codex" ] && [ ! -L "$remora_place/codex" ] || remora_is_ours "$remora_place/codex" ||
      remora_tell foreign "$remora_place/codex"
  fi
  if remora_takes_link "$remora_place"; then
    case $remora_place in
      "${remora_wished%/}") remora_new=5 ;;
      "$HOME/.local/bin") remora_new=4 ;;
      "$HOME/bin") remora_new=3 ;;
      */bin) remora_new=2 ;;
      *) remora_new=1 ;;
    esac
    if [ "$remora_new" -gt "$remora_rank" ]; then
      remora_rank=$remora_new
      remora_chosen=$remora_place
    fi
  elif [ -f "$remora_place/codex" ] && [ -x "$remora_place/codex" ]; then
    remora_tell shadow "$remora_place/codex" # a link behind this one would never be found
    break
  fi
done
set +f
IFS=$remora_ifs
[ -z "$remora_wished" ] || [ "$remora_rank" = 5 ] || remora_chosen=
# Many start-up files put this on the PATH once it is there; the next login shell will tell. Those of other shells do not
# count, unless one that does reads them.
remora_place=$HOME/.local/bin
case ${remora_shell##*/} in
  zsh)
    remora_seen=${ZDOTDIR:-$HOME}
    set -- "$remora_seen/.zshenv" "$remora_seen/.zprofile" "$remora_seen/.zshrc" "$remora_seen/.zlogin"
    ;;
  fish)
    remora_seen=${XDG_CONFIG_HOME:-$HOME/.config}/fish
    set -- "$remora_seen/config.fish" "$remora_seen"/conf.d/*.fish
    ;;
  *csh) set -- "$HOME/.login" "$HOME/.tcshrc" "$HOME/.cshrc" ;;
  *) set -- "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.bashrc" "$HOME/.profile" ;;
esac
! grep -sqF .profile "$@" || set -- "$@" "$HOME/.profile"
case :$remora_path: in
  *":$remora_place:"* | *":$remora_place/:"*) ;;
  *)
    if [ -z "$remora_wished" ] && [ "$remora_rank" -lt 2 ] && [ ! -e "$remora_place" ] && remora_takes_link "$remora_place" &&
      grep -sqF .local/bin "$@"; then
      remora_chosen=$remora_place
    fi
    ;;
esac
[ -z "$remora_wished" ] || [ -n "$remora_seen_wished" ] || remora_tell elsewhere "$remora_wished"
remora_tell place "$remora_chosen"
# Where no folder on the PATH takes a link and the login shell finds no codex at all, remora still looks here (probe.sh).
remora_place=$HOME/.local/bin
if [ -n "$remora_chosen$remora_wished$remora_first" ]; then
  :
elif remora_takes_link "$remora_place"; then
  remora_tell hidden "$remora_place"
  [ ! -e "$remora_place/codex" ] || remora_tell hidden.real "$(remora_resolve "$remora_place/codex")"
elif [ -e "$remora_place/codex" ] || [ -L "$remora_place/codex" ]; then
  remora_tell hidden.foreign "$remora_place/codex"
elif [ -e "$remora_place" ] || [ -L "$remora_place" ]; then
  remora_tell hidden.closed "$remora_place"
fi
[ -w "$HOME" ] || remora_tell closed "$(LC_ALL=C mkdir -- "$HOME/.remora-$remora_here-$$" 2>&1 && rmdir -- "$HOME/.remora-$remora_here-$$")"
[ -z "$remora_chosen" ] || [ -d "$remora_chosen" ] || remora_tell place.missing 1

remora_tell shell "${remora_shell##*/}"
case ${remora_shell##*/} in
  bash)
    remora_file=$HOME/.profile
    for remora_place in "$HOME/.bash_login" "$HOME/.bash_profile"; do [ ! -e "$remora_place" ] || remora_file=$remora_place; done
    ;;
  zsh) remora_file=${ZDOTDIR:-$HOME}/.zprofile ;;
  fish) remora_file=${XDG_CONFIG_HOME:-$HOME/.config}/fish/config.fish ;;
  *csh) remora_file=$HOME/.login ;;
  *) remora_file=$HOME/.profile ;;
esac
remora_tell file "$remora_file"
remora_newline='
'
remora_line=$(grep -F '# remora: codex' "$remora_file" 2>/dev/null)
remora_tell line "${remora_line##*"$remora_newline"}"
