# Where our installs of codex lie, and how one is proven. Needs remora_location and common.sh. An install is a folder
# with .remora-files (mode, digest and path of each file), .remora-stamps and .remora-record (what it is, as KEY VALUE).
remora_root=$(remora_expand "$remora_location")
case $remora_root in /*) ;; *) remora_root=$HOME/$remora_root ;; esac
remora_kind=$remora_os-$remora_processor
remora_current=$remora_root/current-$remora_kind
remora_owned=$(printf %.12s "$remora_here") # homes may be shared: what is not finished belongs to a machine

# remora_recorded KEY FOLDER: what the record of that install says.
remora_recorded() {
  while read -r remora_key remora_value; do
    [ "$remora_key" != "$1" ] || printf '%s\n' "$remora_value"
  done <"$2/.remora-record"
} 2>/dev/null

# remora_stamps FOLDER: a line for each file of an install, which differs when the file may.
remora_stamps() (
  cd -- "$1" 2>/dev/null || exit 0
  set -- find . ! -type d ! -name .remora-record ! -name .remora-stamps -exec
  { "$@" stat -c '%n|%s|%y|%z|%i' -- {} + 2>/dev/null || "$@" stat -f '%N|%z|%Fm|%Fc|%i' -- {} +; } | LC_ALL=C sort
)

# remora_is_intact FOLDER: everything there is as it was installed. Reads the files only when their stamps differ.
remora_is_intact() (
  cd -- "$1" 2>/dev/null && [ -f .remora-record ] || exit 1
  [ "$(remora_stamps .)" != "$(cat .remora-stamps 2>/dev/null)" ] || exit 0
  while read -r remora_wished remora_sum remora_file; do
    case $remora_wished in
      link) [ "$(readlink -- "$remora_file")" = "$remora_sum" ] || exit 1 ;;
      *)
        [ ! -L "$remora_file" ] && [ "$(remora_mode "$remora_file")" = "$remora_wished" ] || exit 1
        [ "$(remora_digest "$remora_file")" = "$remora_sum" ] || exit 1
        ;;
    esac
  done <.remora-files
)

# remora_used: the names of installs that a program runs from. Only the kernel knows; programs of others are hidden.
remora_used() {
  {
    if [ -d /proc/self ]; then
      # shellcheck disable=SC2012
      ls -l /proc/[0-9]*/exe 2>/dev/null | sed 's/.* -> //'
    else
      ps -axo comm= 2>/dev/null
    fi
  } | awk -v root="$(cd -- "$remora_root" 2>/dev/null && pwd -P)/" \
    'root != "/" && index($0, root) == 1 { name = substr($0, length(root) + 1); sub("/.*", "", name); print name }' |
    LC_ALL=C sort -u
}
