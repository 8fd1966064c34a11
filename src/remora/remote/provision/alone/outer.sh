# The outermost part of a program that stands alone: a playbook or a new machine runs it without us. $1 is a step's number
# or all, $2 apply or check (prepare: only get ready for the archive of codex). Each step is read, compared, changed if
# different and read again, each time in a new login shell. The last line tells what came of it.
case ${1:-all}:${2:-apply} in
  all:apply | all:check | [0-9]*:apply | [0-9]*:check | [0-9]*:prepare) ;;
  *)
    echo 'usage: provision.sh [all | NUMBER] [apply | check]' >&2
    exit 2
    ;;
esac
remora_work=$(umask 077 && mktemp -d) || exit 1
trap 'rm -rf -- "$remora_work"' 0
trap 'exit 1' HUP INT TERM
mkfifo -m 600 -- "$remora_work/hold" || exit 1
remora_nonce=$(od -An -N 16 -v -tx1 /dev/urandom | tr -d ' \n')
remora_how=${2:-apply}

# remora_child WORD NUMBER: this program once more, as the child. Its standard input neither says anything nor ends.
remora_child() {
  rm -rf -- "$remora_work/answers" "$remora_work/result"
  mkdir -- "$remora_work/answers"
  {
    printf '%s\n\n' "${remora_given-}"
    printf '%s\n' "$remora_whole"
  } | {
    exec 3<&0 0<>"$remora_work/hold"
    exec /bin/sh -c "remora_role=child remora_nonce=$remora_nonce remora_word=$1 remora_number=$2 remora_work='$remora_work'
$remora_bootstrap" sh "$remora_nonce" 3<&3
  }
  remora_came=$(head -n 1 "$remora_work/result" 2>/dev/null)
  remora_detail=$(sed 1d "$remora_work/result" 2>/dev/null)
  if [ -z "$remora_came" ]; then
    remora_came='failed shell-failed'
    remora_detail=$(cat "$remora_work"/answers/entry.* "$remora_work"/answers/suspect 2>/dev/null)
    remora_detail="the login shell did not report its environment: $remora_detail"
  fi
}

# remora_carry NUMBER: one step; fails when it cannot be made true.
remora_carry() {
  remora_child "$remora_how" "$1"
  if [ "$remora_came" = changed ]; then
    remora_child check "$1"
    case $remora_came in
      same) remora_came=changed ;;
      *)
        printf '%s\n' "it was applied, but the host does not have the new state: $remora_detail" >"$remora_work/reason"
        remora_child failed "$1"
        ;;
    esac
  fi
  remora_words=$(remora_title_of "$1"): 
  remora_words="$remora_words $(printf %s "$remora_detail" | tr '\n' ' ')"
  case $remora_came in
    same) printf 'remora: unchanged: %s\n' "$remora_words" ;;
    changed) printf 'remora: changed: %s\n' "$remora_words" ;;
    different | later) printf 'remora: would change: %s\n' "$remora_words" ;;
    ready) printf 'remora: ready: %s\n' "$remora_detail" ;;
    *)
      printf 'remora: %s: %s\n' "$remora_came" "$remora_words"
      return 1
      ;;
  esac
}

if [ "${1:-all}" = all ]; then
  remora_count=1
  while [ "$remora_count" -le "$remora_last" ]; do
    remora_carry "$remora_count" || exit 1
    remora_count=$((remora_count + 1))
  done
else
  remora_carry "$1" || exit 1
fi
exit 0
