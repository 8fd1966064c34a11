# Run remora_command, a line of the project's own, in remora_work below the clean checkout. Its output goes through a
# filter that masks values of the environment that look like secrets, so that neither we nor the log get them.
cd -- "$remora_state/$remora_scratch/project/$remora_work" || remora_fail place-unusable "$remora_work is not in the checkout"
PATH=$remora_path
CI=true
export PATH CI
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
remora_pipe=$remora_state/$remora_scratch/output
rm -f -- "$remora_pipe"
mkfifo -- "$remora_pipe" || remora_fail place-unusable "$remora_pipe"
# shellcheck disable=SC2016
(
  trap '' TERM # the last words of what is ended at its limit count, too
  LC_ALL=C exec awk '
    BEGIN {
      for (name in ENVIRON) {
        value = ENVIRON[name]
        if (length(value) < 6 || value ~ /\n/) continue
        if (toupper(name) ~ /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_KEY$|_AUTH$|_PAT$/ ||
          value ~ /:\/\/[^\/@]*:[^\/@]+@/) secrets[++count] = value
      }
    }
    {
      for (i = 1; i <= count; i++)
        while ((at = index($0, secrets[i])) > 0)
          $0 = substr($0, 1, at - 1) "***" substr($0, at + length(secrets[i]))
      print
      fflush()
    }' 5>&-
) <"$remora_pipe" &
remora_filter=$!
/bin/sh -c "$remora_command" </dev/null >"$remora_pipe" 2>&1 5>&-
remora_tell code $?
# Something in the background may hold the pipe for ever; it is ended with the group.
remora_tries=0
while kill -0 "$remora_filter" 2>/dev/null && [ "$remora_tries" -lt 60 ]; do
  remora_tries=$((remora_tries + 1))
  remora_pause
done
