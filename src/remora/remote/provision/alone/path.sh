# codex on the PATH of the login shell. Needs remora_location, remora_managed, remora_wished, remora_by (link or line) and
# remora_edit (1: a line is allowed).
remora_read_path() { remora_script_codex_places_codex_found_path_read </dev/null; }

# remora_make_line FOLDER: the one line for the start-up file; fails where no line can hold that folder.
remora_make_line() {
  case $1 in *\'* | *\\* | *!* | *'
'*) return 1 ;; esac
  case $(remora_one shell) in
    fish) printf "set -gx PATH '%s' \$PATH # remora: codex\n" "$1" ;;
    *csh) printf "setenv PATH '%s'\":\$PATH\" # remora: codex\n" "$1" ;;
    *)
      case $1 in
        *[!A-Za-z0-9@%+=:,./_-]*) printf "export PATH='%s':\"\$PATH\" # remora: codex\n" "$1" ;;
        *) printf 'export PATH=%s:"$PATH" # remora: codex\n' "$1" ;;
      esac
      ;;
  esac
}
remora_judge_path() {
  remora_target=$(remora_one target)
  remora_real=$(remora_one target.real)
  if remora_said first && { [ -z "$remora_managed" ] || { [ -n "$remora_real" ] && [ "$(remora_one first.real)" = "$remora_real" ]; }; }; then
    remora_same "the login shell finds $(remora_one first)"
  elif [ -z "$remora_target" ]; then
    remora_later 'codex is not installed yet'
  elif [ "$remora_by" = link ] && [ -n "$(remora_one place)" ]; then
    remora_different "$(remora_one place)/codex becomes a link to $remora_target"
  elif [ -n "$remora_edit" ] && remora_line=$(remora_make_line "${remora_target%/*}") && [ "$remora_line" != "$(remora_one line)" ]; then
    remora_different "$(remora_one file) gets a line: $remora_line"
  elif [ -n "$remora_managed" ] && [ "$remora_by" = link ] && remora_said hidden; then
    if [ -n "$remora_real" ] && [ "$(remora_one hidden.real)" = "$remora_real" ]; then
      remora_same "remora finds $(remora_one hidden)/codex; the login shell does not"
    else
      remora_different "$(remora_one hidden)/codex becomes a link to $remora_target, where remora finds it"
    fi
  else
    remora_blocked not-on-path "no folder on the PATH of the login shell allows a link of this account, and no line in $(remora_one file) puts codex there: $remora_path"
  fi
}
remora_apply_path() (
  remora_place=$(remora_one place)
  remora_file=$(remora_one file)
  if [ -z "$remora_place" ] && { [ -z "$remora_edit" ] || ! remora_make_line "${remora_target%/*}" >/dev/null; }; then
    remora_place=$(remora_one hidden)
  fi
  if [ "$remora_by" = link ] && [ -n "$remora_place" ]; then
    remora_script_codex_places_path_link </dev/null
  else
    remora_script_codex_places_path_line </dev/null
  fi
)
