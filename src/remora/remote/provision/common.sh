# Functions of all steps. A step's script runs in a subshell of its own with remora_step set, standard input empty, and
# the variables of places.sh. Plain POSIX sh with the tools of coreutils or busybox; macOS where that is cheap.

# remora_tell KEY VALUE: an answer of this step. Keys have a-z, 0-9, dots and dashes.
remora_tell() { remora_emit "$remora_step.$1" "$2"; }

# remora_fail REASON [DETAIL]: say why it cannot be done, and end this script. REASON is a code, such as disk-full or
# place-unusable. Behind a pipe it ends the pipe's part only: write "... || exit 1" there.
remora_fail() {
  remora_tell failed "$1"
  [ -z "${2-}" ] || remora_tell failed.detail "$2"
  exit 1
}

# remora_expand PATH: print PATH with ~/ as the home; a relative path stays one.
remora_expand() {
  case $1 in
    '~') printf '%s\n' "$HOME" ;;
    '~/'*) printf '%s\n' "$HOME/${1#'~/'}" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

# remora_digest FILE: print its SHA-256 in hexadecimal; nothing when it cannot be read.
remora_digest() {
  [ -f "$1" ] && [ -r "$1" ] || return 1
  if command -v sha256sum >/dev/null 2>&1; then
    remora_in_seen=$(sha256sum <"$1")
  elif command -v shasum >/dev/null 2>&1; then
    remora_in_seen=$(shasum -a 256 <"$1")
  else
    remora_in_seen=$(openssl dgst -sha256 -r <"$1")
  fi 2>/dev/null
  printf '%s\n' "${remora_in_seen%% *}"
}

# remora_stamp FILE: print "size mtime ctime inode" without spaces within; it differs when the content may.
remora_stamp() {
  remora_in_seen=$(stat -L -c '%s|%y|%z|%i' -- "$1" 2>/dev/null || stat -L -f '%z|%Fm|%Fc|%i' -- "$1" 2>/dev/null)
  printf '%s\n' "$remora_in_seen" | tr ' |' '_ '
}

# remora_mode FILE: print its mode in octal, as in 644.
remora_mode() { stat -L -c %a -- "$1" 2>/dev/null || stat -L -f %Lp -- "$1" 2>/dev/null; }

# remora_place PATH: print the nearest folder that exists at or above PATH.
remora_place() {
  remora_in_above=$1
  while [ ! -d "$remora_in_above" ]; do
    case $remora_in_above in
      */*) remora_in_above=${remora_in_above%/*} ;;
      *) remora_in_above=. ;;
    esac
    remora_in_above=${remora_in_above:-/}
  done
  printf '%s\n' "$remora_in_above"
}

# remora_free_kb PATH: print the KiB that this account may still write where PATH is or will be.
remora_free_kb() {
  df -Pk -- "$(remora_place "$1")" 2>/dev/null | awk 'NR > 1 { for (i = NF; i > 1; i--) if ($i ~ /%$/) { print $(i - 1); exit } }'
}

# remora_free_inodes PATH: print how many files may still be made there; nothing when there is no such limit.
remora_free_inodes() {
  remora_in_seen=$(remora_disk '%c %d' "$(remora_place "$1")") || return 0
  case $remora_in_seen in '0 '*) ;; *) printf '%s\n' "${remora_in_seen#* }" ;; esac
}

# remora_blame PATH TEXT: fail with the reason why writing at PATH came to nothing; TEXT is what the program said.
remora_blame() {
  case $2 in *[Nn]'o space left'* | *[Qq]'uota exceeded'*) remora_fail disk-full "$1: $2" ;; esac
  [ "$(remora_free_kb "$1")" != 0 ] && [ "$(remora_free_inodes "$1")" != 0 ] || remora_fail disk-full "$1: $2"
  remora_fail place-unusable "$1: $2"
}

# remora_make_folder FOLDER [MODE]: have FOLDER and all above it; fails with the reason. MODE is for new ones.
remora_make_folder() {
  [ ! -d "$1" ] || return 0
  remora_in_seen=$( (umask "$(printf %03o $((0777 & ~0${2:-755})))" && LC_ALL=C mkdir -p -- "$1") 2>&1) || remora_blame "$1" "$remora_in_seen"
}

# remora_move_folder FROM TO: give FROM the name TO, never inside of a folder that has it already: another machine of the
# same home may be quicker, and an mv without -T learns that only afterwards. Fails when TO is there.
remora_move_folder() {
  ! mv -T -- "$1" "$2" 2>/dev/null || return 0
  [ ! -e "$2" ] && mv -- "$1" "$2" || return
  [ -d "$2/${1##*/}" ] || return 0
  rm -rf -- "${2:?}/${1##*/}"
  return 1
}

# remora_replace FILE MODE: put standard input in the place of FILE, all or nothing; where FILE is a link, in the place
# of what it points to. What is not whole yet is closed to others; MODE comes last, it may be 400. Fails with the reason;
# what was there is then untouched.
remora_replace() {
  remora_in_target=$(remora_resolve "$1") # the folders that a link leads to may be missing, too
  remora_in_target=${remora_in_target:-$1}
  remora_in_folder=.
  case $remora_in_target in */*) remora_in_folder=${remora_in_target%/*} ;; esac
  remora_in_folder=${remora_in_folder:-/}
  [ ! -d "$remora_in_target" ] || remora_fail place-unusable "$remora_in_target: it is a folder"
  remora_make_folder "$remora_in_folder"
  remora_in_new=$remora_in_folder/.${remora_in_target##*/}.remora-$remora_here-$$
  remora_in_seen=$(
    {
      rm -f -- "$remora_in_new" && (umask 077 && set -C && : >"$remora_in_new") && cat >"$remora_in_new" && chmod "$2" "$remora_in_new" &&
        mv -f -- "$remora_in_new" "$remora_in_target"
    } 2>&1
  ) && return 0
  rm -f -- "$remora_in_new" 2>/dev/null
  remora_blame "$remora_in_target" "$remora_in_seen"
}

# remora_receive COMMAND...: say go, then run COMMAND (a function, too) with the remora_size bytes that come as its
# standard input; its status. The only way to take what Workbench.send brings: the rest of what comes after COMMAND has
# ended is taken off the channel, where the shell would run it.
remora_receive() {
  remora_tell go 1
  head -c "$remora_size" <&8 | (
    "$@"
    remora_status=$?
    [ "$remora_status" = 0 ] || remora_tell ended "$remora_status"
    cat >/dev/null
    exit "$remora_status"
  )
}

# remora_as_user COMMAND...: run a program of the user's, with the PATH of the login shell and nothing of our channel.
remora_as_user() (
  PATH=$remora_path
  export PATH
  exec "$@" 5>&- 8<&-
)

# A hung script is to end when our side of the channel ends or says so: this watches standard input meanwhile.
remora_watch() {
  exec 9<&0
  (
    read -r remora_word <&9
    remora_leader=$(sed 's/.*) //' "/proc/$$/stat" 2>/dev/null | cut -d ' ' -f 3)
    [ "${remora_leader:-$(ps -o pgid= -p $$ | tr -d ' ')}" != $$ ] || kill -9 -$$
    kill -9 $$
  ) >/dev/null 2>&1 &
  remora_watcher=$!
}
remora_unwatch() {
  kill "$remora_watcher" 2>/dev/null
  wait "$remora_watcher" 2>/dev/null
  exec 9<&-
}
