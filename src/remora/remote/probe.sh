# Facts about the host, read in the environment of the login shell. Changes nothing. Needs places.sh, account.sh,
# sockets.sh, service.sh, marker.sh, remora_folder, remora_codex (a path given by the user, or nothing), remora_relay (1
# when a Python for the relay is wanted), remora_prove (1 when codex is to read its configuration) and remora_limit
# (seconds for one codex --version).

remora_examine() {
  remora_text=$(remora_bounded "$2" --version)
  remora_status=$?
  remora_emit "codex.$1.status" "$remora_status"
  [ "$remora_status" = 0 ] || remora_limits
  remora_emit "codex.$1.version" "$(printf '%s' "$remora_text" | head -c 600)"
  remora_text=$(remora_bounded "$2" app-server --help)
  case $remora_text in *--listen*) remora_emit "codex.$1.can" serve ;; esac
  case $remora_text in *unix://*) remora_emit "codex.$1.can" unix ;; esac
  case $remora_text in *' proxy '*) remora_emit "codex.$1.can" proxy ;; esac
  case $remora_text in *' daemon '*) remora_emit "codex.$1.can" daemon ;; esac
  [ -z "$remora_prove" ] || [ "$remora_status" != 0 ] || remora_try_config "$1" "$2"
}

# remora_try_config NUMBER PROGRAM: what codex says of a configuration that it cannot use. It reads a link to the file in a
# folder of its own, because it leaves files beside it.
remora_try_config() {
  [ -e "$remora_home/config.toml" ] || return 0
  if [ ! -f "$remora_home/config.toml" ]; then
    remora_emit "codex.$1.config" "$remora_home/config.toml is not a file"
  elif remora_folder_seen=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/remora-config.XXXXXXXX" 2>/dev/null); then
    ln -s -- "$remora_home/config.toml" "$remora_folder_seen/config.toml"
    remora_text=$(remora_bounded env "CODEX_HOME=$remora_folder_seen" "$2" login status)
    rm -rf -- "$remora_folder_seen"
    case $remora_text in
      *'Error loading configuration: '*)
        remora_text=${remora_text#*'Error loading configuration: '}
        case $remora_text in
          "$remora_folder_seen"*) remora_text=$remora_home${remora_text#"$remora_folder_seen"} ;;
          *"$remora_folder_seen"*) remora_text=${remora_text%%"$remora_folder_seen"*}$remora_home${remora_text#*"$remora_folder_seen"} ;;
        esac
        remora_emit "codex.$1.config" "$(printf '%s' "$remora_text" | head -c 600)"
        ;;
    esac
  fi
}

remora_count=0
remora_known=:
remora_candidate() {
  case $remora_known in *":$2:"*) return ;; esac
  [ -e "$2" ] || [ -L "$2" ] || return
  [ "$remora_count" -lt 16 ] || return
  remora_known=$remora_known$2:
  remora_emit "codex.$remora_count.path" "$2"
  remora_emit "codex.$remora_count.source" "$1"
  remora_emit "codex.$remora_count.real" "$(remora_resolve "$2" || printf %s "$2")"
  if [ ! -e "$2" ]; then
    remora_emit "codex.$remora_count.problem" dangling
  elif [ -d "$2" ]; then
    remora_emit "codex.$remora_count.problem" directory
  elif [ ! -x "$2" ]; then
    remora_emit "codex.$remora_count.problem" not-executable
  else
    remora_examine "$remora_count" "$2" &
  fi
  remora_count=$((remora_count + 1))
}

if [ -n "$remora_codex" ]; then
  case $remora_codex in
    '~/'*) remora_codex=$HOME/${remora_codex#'~/'} ;;
    /*) ;;
    */*) remora_codex=$HOME/$remora_codex ;;
    *) remora_codex=$(PATH=$remora_path; command -v -- "$remora_codex" || printf %s "$remora_codex") ;;
  esac
  remora_emit codex.asked "$remora_codex"
  remora_candidate asked "$remora_codex"
else
  remora_ifs=$IFS
  IFS=:
  set -f
  for remora_place in $remora_path; do
    case $remora_place in /*) remora_candidate path "${remora_place%/}/codex" ;; esac
  done
  set +f
  IFS=$remora_ifs
  for remora_place in "$HOME/.local/bin" /usr/local/bin "$HOME/bin" "$HOME/.npm-global/bin" "$HOME/.cargo/bin" \
    "$HOME/.bun/bin" "$HOME/.volta/bin" /opt/homebrew/bin "$HOME"/.nvm/versions/node/*/bin \
    "$remora_home/packages/standalone/current"; do
    remora_candidate extra "$remora_place/codex"
  done
fi

# A Python that can run the relay. The one of macOS is only a question to install it while there is no Xcode.
remora_find_python() {
  remora_ifs=$IFS
  IFS=:
  set -f
  set -- /usr/bin
  for remora_place in $remora_path /usr/local/bin /opt/homebrew/bin "$HOME/.local/bin"; do set -- "$@" "$remora_place"; done
  set +f
  IFS=$remora_ifs
  remora_known=:
  for remora_name in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python3.14 python; do
    for remora_place in "$@"; do
      case $remora_place:$remora_known in [!/]* | *":$remora_place/$remora_name:"*) continue ;; esac
      remora_known=$remora_known$remora_place/$remora_name:
      [ -x "$remora_place/$remora_name" ] && [ ! -d "$remora_place/$remora_name" ] || continue
      if [ "$remora_place" = /usr/bin ] && [ "$remora_os" = Darwin ]; then xcode-select -p >/dev/null 2>&1 || continue; fi
      remora_text=$(remora_bounded "$remora_place/$remora_name" -ISBc 'import sys, zlib, fcntl, json, selectors, socket
sys.version_info < (3, 8) or print("relay:" + sys.executable)' 2>/dev/null)
      case $remora_text in
        relay:/*)
          remora_emit python "${remora_text#relay:}"
          return
          ;;
      esac
    done
  done
}
[ -z "$remora_relay" ] || remora_find_python &

remora_emit_account
remora_emit node "$(uname -n)"

# The folder, resolved here and nowhere else: links, too, so that nobody knows one place by two names.
remora_asked=$remora_folder
case $remora_folder in
  '' | '~') remora_folder=$HOME ;;
  '~/'*) remora_folder=$HOME/${remora_folder#'~/'} ;;
  '~'*)
    remora_name=${remora_folder#'~'}
    remora_rest=${remora_name#"${remora_name%%/*}"}
    remora_name=$(getent passwd "${remora_name%%/*}" 2>/dev/null | cut -d : -f 6)
    [ -z "$remora_name" ] || remora_folder=$remora_name$remora_rest
    ;;
  /*) ;;
  *) remora_folder=$HOME/$remora_folder ;;
esac
if remora_text=$(cd -P -- "$remora_folder" 2>/dev/null && pwd -P); then
  remora_folder=$remora_text
  remora_emit folder.state ok
  # A .codex there or above, other than the account's own, may bring configuration.
  remora_own=$(cd -P -- "$HOME" 2>/dev/null && pwd -P)/.codex
  remora_place=${remora_folder%/}
  while :; do
    remora_name=$remora_place/.codex
    case $remora_name in
      "$remora_home" | "$remora_own") ;;
      *)
        if [ -e "$remora_name" ] || [ -L "$remora_name" ]; then
          remora_emit folder.brings 1
          break
        fi
        ;;
    esac
    [ -n "$remora_place" ] || break
    remora_place=${remora_place%/*}
  done
elif [ -d "$remora_folder" ]; then
  remora_emit folder.state closed
elif [ -e "$remora_folder" ]; then
  remora_emit folder.state file
else
  remora_emit folder.state missing
  remora_parent=$remora_folder
  case $remora_parent in '~'*) remora_parent=/home ;; esac # of an account that is not there
  while [ ! -d "$remora_parent" ] && [ -n "$remora_parent" ]; do remora_parent=${remora_parent%/*}; done
  for remora_place in "$remora_parent"/*/; do
    [ -d "$remora_place" ] && printf '%s\n' "${remora_place%/}"
  done | head -n 200 | { while IFS= read -r remora_place; do remora_emit folder.sibling "$remora_place"; done; }
fi
remora_emit folder.path "$remora_folder"

remora_emit key "$remora_key"

remora_choose_socket
remora_real=$(remora_resolve "$remora_socket" || printf %s "$remora_socket")
if [ "$remora_listen" != unix:// ] && remora_is_common; then
  remora_emit home.shared "$(remora_disk %T "$remora_home")"
fi
remora_emit socket.path "$remora_socket"
remora_emit socket.listen "$remora_listen"
remora_emit socket.real "$remora_real"
remora_emit socket.bytes "$(printf %s "$remora_socket" | wc -c | tr -d ' ')"
if [ -S "$remora_socket" ]; then
  remora_emit socket.kind socket
elif [ -e "$remora_socket" ]; then
  remora_emit socket.kind file
elif [ -L "$remora_socket" ]; then
  remora_emit socket.kind dangling
else
  remora_emit socket.kind absent
fi
for remora_place in "$remora_socket" "${remora_socket%/*}" "${remora_real%/*}"; do
  [ ! -e "$remora_place" ] || remora_emit socket.owner "$(remora_owner "$remora_place") $remora_place"
done
if [ -S "$remora_socket" ]; then
  remora_listens "$remora_socket"
  case $? in
    0) remora_emit socket.listening yes ;;
    1) remora_emit socket.listening no ;;
  esac
fi

if remora_find_ours; then
  remora_emit server.pid "$remora_pid"
  remora_emit server.start "$remora_start"
fi

# Signed in? The server itself is asked later; this only tells what is there.
[ ! -s "$remora_home/auth.json" ] || remora_emit login auth-file
[ -z "${OPENAI_API_KEY:-}${CODEX_API_KEY:-}" ] || remora_emit login key-variable
[ ! -f "$remora_state/login" ] || [ ! -r "$remora_state/login" ] || remora_emit login.expires "$(sed -n 's/^expires=//p' "$remora_state/login")"
[ ! -f "$remora_home/config.toml" ] || # a FIFO would be waited for
  ! grep -q '^[[:space:]]*model_provider[[:space:]]*=' "$remora_home/config.toml" 2>/dev/null ||
  remora_emit login provider

# Can the command sandbox work, and can a server outlive this session?
remora_try_sandbox remora_emit
if grep -Eqi '^[[:space:]]*KillUserProcesses[[:space:]]*=[[:space:]]*(yes|true|1|on)' \
  /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf 2>/dev/null &&
  [ ! -e "/var/lib/systemd/linger/$remora_account" ]; then
  remora_emit kills-processes 1
fi
remora_emit_marker
wait
remora_emit end probe
