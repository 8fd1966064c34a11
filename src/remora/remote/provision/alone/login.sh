# codex signed in with a secret. Needs remora_login_kind, remora_option, remora_expires and remora_patience.
remora_read_login() { remora_script_codex_program_login_read </dev/null; }
remora_noted() { remora_one record | sed -n "s/^$1=//p"; }
remora_judge_login() {
  if [ -z "$(remora_secret login)" ]; then
    remora_blocked secret-missing 'the secret is not set or is empty'
  elif [ -z "$(remora_one codex)" ]; then
    remora_later 'codex must be installed first'
  elif [ "$(remora_one auth)" != present ]; then
    remora_different 'codex is not signed in'
  elif [ -z "$(remora_noted salt)" ]; then
    remora_different 'codex is signed in, but not by remora'
  elif [ "$(remora_noted stamp)" != "$(remora_one stamp)" ]; then
    remora_different 'another program changed the login'
  elif [ "$(remora_noted kind)" != "$remora_login_kind" ] || [ "$(remora_noted expires)" != "$remora_expires" ] ||
    [ "$(remora_noted digest)" != "$({ remora_noted salt | tr -d '\n'; remora_secret login; } | remora_sum)" ]; then
    remora_different 'the secret or its expiry day has changed'
  else
    remora_same 'signed in with this secret'
  fi
}
remora_login() {
  remora_how=$1
  remora_script_codex_program_login_functions_login_apply 8<&0 </dev/null
}

# remora_proof: what the request with the new login said: ok, refused, unused or unproven.
remora_proof() {
  remora_seen=unproven
  while IFS= read -r remora_line; do
    case $remora_line in
      *'"codexErrorInfo":"unauthorized"'* | *'"httpStatusCode":401'* | *'401 Unauthorized'* | *'could not be refreshed'*)
        remora_seen=refused
        break
        ;;
      *'"willRetry":true'*) ;;
      *'"httpStatusCode":403'* | *'403 Forbidden'*)
        remora_seen=refused
        break
        ;;
      *'"method":"item/agentMessage/delta"'* | *'"type":"agentMessage"'* | *'"type":"reasoning"'*)
        remora_seen=ok
        break
        ;;
      *'"method":"turn/completed"'*)
        case $remora_line in *'"status":"completed"'*) remora_seen=ok ;; esac
        ;;
    esac
  done
  if [ "$remora_seen" = ok ] && grep -q '"requiresOpenaiAuth":false' "$remora_work/answers/it.line"; then remora_seen=unused; fi
  printf '%s\n' "$remora_seen"
}
remora_apply_login() {
  remora_size=$(remora_secret login | wc -c | tr -d ' ')
  remora_secret login | remora_login login
  ! remora_said failed || return
  if [ "$(remora_one login.status)" != 0 ]; then
    remora_tell failed step-failed
    remora_tell failed.detail 'codex rejected the secret: check that it is complete and has the kind that the manifest names'
    return
  fi
  remora_login prove </dev/null
  ! remora_said failed || return
  remora_seen=$(remora_one line | remora_proof)
  if [ "$remora_seen" = refused ]; then
    remora_login drop </dev/null
    remora_tell failed login-refused
    remora_tell failed.detail 'a real request with this login was refused; the previous login is unchanged'
    return
  fi
  remora_salt=$(od -An -N 16 -v -tx1 /dev/urandom | tr -d ' \n')
  remora_record="salt=$remora_salt
digest=$({ printf %s "$remora_salt"; remora_secret login; } | remora_sum)
kind=$remora_login_kind
expires=$remora_expires
proof=$remora_seen
"
  remora_login keep </dev/null
}
