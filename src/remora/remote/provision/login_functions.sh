# Functions for codex's login. A new one is made and proven in a home of its own, remora_new, so that the one that is there
# stays until a better one is. Needs codex_program.sh, and remora_patience (seconds) for a proof.
remora_real=$remora_home
remora_new=$remora_state/login.new
remora_store= # where codex looks for the login, when that is not for the configuration to say
[ -n "$remora_program" ] || remora_fail tool-missing "codex is not installed"
[ -n "$remora_state" ] || remora_fail place-unusable "no folder can hold remora's state"

# What decides: the model's first word, the end of the turn, a refusal. Anything else may still become one of them.
remora_decides='"method":"turn/completed"|"method":"item/agentMessage/delta"|"httpStatusCode":401|"codexErrorInfo":"unauthorized"|"id":3,"error"|"error":.*"id":3[,}]'
remora_decides=$remora_decides'|"method":"item/(started|completed)".*"type":"(agentMessage|reasoning)"'

# remora_newest: the end of standard input, never from the middle of a word: nobody would know half a secret as one.
remora_newest() {
  remora_in_seen=$(tail -c 601)
  if [ "$(printf %s "$remora_in_seen" | wc -c)" -gt 600 ]; then
    printf %s "$remora_in_seen" | sed '1s/^[^[:space:]]*//'
  else
    printf %s "$remora_in_seen"
  fi
}

remora_nap() { sleep 0.1 2>/dev/null || sleep 1; }

# remora_await PATTERN: until a line of the server has it; fails when the time is up or the server has ended.
remora_await() {
  until grep -Eq -- "$1" "$remora_talk/out"; do
    [ "$(date +%s)" -lt "$remora_until" ] || return 1
    kill -0 "$remora_server" 2>/dev/null || { grep -Eq -- "$1" "$remora_talk/out" && return; return 1; }
    remora_nap
  done
}

# remora_prove FOLDER: talk to the server through files in FOLDER, which is made and removed.
remora_prove() {
  remora_talk=$1
  rm -rf -- "$remora_talk"
  (umask 077 && mkdir -p -- "$remora_talk" && mkfifo "$remora_talk/in" && : >"$remora_talk/out") 2>/dev/null ||
    remora_fail place-unusable "$remora_talk"
  trap '' PIPE # a codex that ends at once must not end this script
  remora_until=$(($(date +%s) + remora_patience))
  # shellcheck disable=SC2016
  remora_as_user /bin/sh -c 'echo $$ >"$1" && shift && cd / && exec "$@"' sh "$remora_talk/pid" "$remora_program" \
    app-server ${remora_store:+-c "$remora_store"} <"$remora_talk/in" >"$remora_talk/out" 2>"$remora_talk/err" &
  exec 7>"$remora_talk/in"
  until [ -s "$remora_talk/pid" ] || [ "$(date +%s)" -ge "$remora_until" ]; do remora_nap; done
  read -r remora_server <"$remora_talk/pid" || remora_fail step-failed "codex did not start"
  printf '%s\n' '{"id":0,"method":"initialize","params":{"clientInfo":{"name":"remora","title":"remora","version":"1"},"capabilities":{"experimentalApi":true}}}' \
    '{"method":"initialized"}' \
    '{"id":1,"method":"account/read","params":{"refreshToken":false}}' \
    '{"id":2,"method":"thread/start","params":{"ephemeral":true,"cwd":"/","sandbox":"read-only","approvalPolicy":"never","baseInstructions":"Answer with the word ok."}}' >&7
  if [ -s "${CODEX_HOME:-$HOME/.codex}/auth.json" ]; then remora_tell auth present; else remora_tell auth absent; fi
  if remora_await '"id":2[,}]'; then
    remora_thread=$(sed -n 's/.*"thread":{"id":"\([0-9a-zA-Z-]*\)".*/\1/p' "$remora_talk/out" | head -n 1)
    if [ -n "$remora_thread" ]; then
      printf '{"id":3,"method":"turn/start","params":{"threadId":"%s","input":[{"type":"text","text":"ok"}]}}\n' "$remora_thread" >&7
      remora_await "$remora_decides"
    fi
  fi
  exec 7>&-
  kill "$remora_server" 2>/dev/null
  remora_tries=0
  while kill -0 "$remora_server" 2>/dev/null && [ "$remora_tries" -lt 30 ]; do
    remora_tries=$((remora_tries + 1))
    remora_nap
  done
  kill -9 "$remora_server" 2>/dev/null
  wait
  grep -E -- '"id":1[,}]|"error":|'"$remora_decides" "$remora_talk/out" | cut -c 1-16000 | head -n 40 |
    while IFS= read -r remora_line; do remora_tell line "$remora_line"; done
  remora_tell said "$(remora_newest <"$remora_talk/err")"
  rm -rf -- "$remora_talk"
}

# A home that has the configuration and the environment (a proxy) of the real one, and a login of its own.
remora_make_new_home() {
  rm -rf -- "$remora_new"
  remora_make_folder "$remora_state" 700
  remora_seen=$( (umask 077 && mkdir -- "$remora_new") 2>&1) || remora_blame "$remora_new" "$remora_seen"
  for remora_item in config.toml .env; do
    [ ! -e "$remora_real/$remora_item" ] || ln -s -- "$remora_real/$remora_item" "$remora_new/$remora_item"
  done
}

