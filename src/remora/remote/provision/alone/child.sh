# The part of a program that stands alone which works in the environment of the login shell. Needs common.sh and what
# remora_select sets; each kind of step has remora_read_KIND, remora_judge_KIND and remora_apply_KIND.
remora_step=it

remora_same() { remora_found=same remora_detail=${1-}; }
remora_different() { remora_found=different remora_detail=${1-}; }
remora_later() { remora_found=later remora_detail=${1-}; }
remora_blocked() { remora_found="failed $1" remora_detail=${2-}; }

# remora_end OUTCOME DETAIL: the last word of this child.
remora_end() {
  printf '%s\n%s\n' "$1" "${2-}" >"$remora_work/result"
  exit 0
}

# remora_sum: print the SHA-256 of standard input, which may be a secret and so goes through no file.
remora_sum() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256
  else
    openssl dgst -sha256 -r
  fi | cut -d ' ' -f 1
}

# remora_quoted NAME...: assignments of these variables for another shell.
remora_quoted() {
  for remora_item; do
    eval "remora_value=\${$remora_item-}"
    printf "%s='%s'\n" "$remora_item" "$(printf '%s.' "$remora_value" | sed "s/'/'\\\\''/g" | sed '$s/\.$//')"
  done
}

# remora_secret NAME: print what was given under that name.
remora_secret() {
  printf '%s\n' "$remora_given" | while read -r remora_name remora_value; do
    [ "$remora_name" != "$1" ] || printf %s "$remora_value" | base64 -d 2>/dev/null || printf %s "$remora_value" | base64 -D
  done
}

# remora_run_long FUNCTION NAME SECONDS [VARIABLE...]: run a function of ours as something of the user's, which may take
# long and write much; standard input is a secret for it, or nothing.
remora_run_long() (
  remora_secret=$(cat && echo .)
  remora_secret=${remora_secret%.}
  remora_inner=$1 remora_name=$2 remora_limit=$3
  shift 3
  remora_size=$(printf %s "$remora_secret" | wc -c | tr -d ' ')
  remora_text=$(remora_quoted remora_inner remora_nonce remora_work remora_path "$@")"
remora_role=child
$remora_whole"
  exec 8<>"$remora_work/hold"
  [ "$remora_size" = 0 ] || printf %s "$remora_secret" >&8
  unset remora_secret
  remora_script_run </dev/null
  ! remora_said limited || remora_fail time-limit "It did not end within $remora_limit seconds, and was ended."
)

remora_look() {
  rm -f -- "$remora_work"/answers/it.*
  "remora_read_$remora_kind"
  if remora_said failed; then
    remora_blocked "$(remora_one failed)" "$(remora_one failed.detail)"
  else
    "remora_judge_$remora_kind"
  fi
}

# remora_mark FIRST-LINE [DETAIL]: write the marker of this step.
remora_mark() {
  remora_marker=$1
  [ -z "${2-}" ] || remora_marker="$remora_marker
detail=$(printf %s "$2" | tr '\n' ' ' | cut -c 1-500)"
  remora_marker="$remora_marker
$remora_marked"
  (remora_script_marker_write) </dev/null
}

remora_take() {
  remora_wait=600
  remora_script_lock_take </dev/null
  case $(remora_one lock) in
    taken) ;;
    busy) remora_end 'failed provision-busy' "$(remora_one holder)" ;;
    *) remora_end 'failed place-unusable' 'the host gives no folder for the lock that keeps two operators apart' ;;
  esac
}

# remora_stop: the step has failed; the marker says so.
remora_stop() {
  remora_mark readiness=failed "$remora_detail"
  remora_script_lock_leave </dev/null
  remora_end "$remora_found" "$remora_detail"
}

remora_work_on() {
  remora_select "$remora_number"
  if [ "$remora_word" = failed ]; then
    remora_found='failed step-unproven'
    remora_detail=$(cat -- "$remora_work/reason")
    remora_take
    remora_stop
  fi
  remora_look
  if [ "$remora_word" = prepare ] && [ "$remora_found" = different ]; then remora_prepare_codex; fi
  case $remora_word:$remora_found in apply:same | check:* | prepare:*) remora_end "$remora_found" "$remora_detail" ;; esac
  remora_take
  remora_look
  case $remora_found in
    same)
      remora_script_lock_leave </dev/null
      remora_end same "$remora_detail"
      ;;
    later) remora_blocked step-unproven "$remora_detail" ;;
  esac
  [ "$remora_found" = different ] || remora_stop
  [ "$remora_kind" = marker ] || remora_mark readiness=provisioning
  remora_had=$remora_detail
  "remora_apply_$remora_kind"
  if remora_said failed; then
    remora_blocked "$(remora_one failed)" "$(remora_one failed.detail)"
    remora_stop
  fi
  remora_script_lock_leave </dev/null
  remora_end changed "$remora_had"
}

# Not a step: where codex's home is.
remora_read_places() { :; }
remora_judge_places() { remora_end ready "$remora_home"; }
