# Make an install the current one in one moment, then remove the oldest; never one that another machine of the same home has
# made the current one since. Needs codex_transfer.sh and remora_keep.
touch -c -- "$remora_final"
remora_link=$remora_root/.link-$remora_owned-$$
remora_said=$(ln -s "$remora_name" "$remora_link" 2>&1) || remora_blame "$remora_root" "$remora_said"
# A plain mv would move it into the folder that the old link leads to; what prevents that is called T or h.
remora_said=$({ mv -fT -- "$remora_link" "$remora_current" || mv -fh -- "$remora_link" "$remora_current"; } 2>&1) || {
  rm -f -- "$remora_link"
  remora_blame "$remora_current" "$remora_said"
}
remora_using=$(remora_used)
remora_left=$((remora_keep - 1))
remora_ifs=$IFS
IFS='
'
# shellcheck disable=SC2010
for remora_old in $(cd -- "$remora_root" && ls -1td -- *-"$remora_kind"-* 2>/dev/null); do
  [ "$remora_old" != "$remora_name" ] && [ -f "$remora_root/$remora_old/.remora-record" ] || continue
  [ "$remora_old" != "$(readlink -- "$remora_current")" ] || continue
  case "
$remora_using
" in *"
$remora_old
"*)
      remora_tell kept "$remora_old"
      continue
      ;;
  esac
  if [ "$remora_left" -gt 0 ]; then
    remora_left=$((remora_left - 1))
  else
    rm -rf -- "${remora_root:?}/$remora_old" && remora_tell removed "$remora_old"
  fi
done
IFS=$remora_ifs
rm -rf -- "$remora_root"/.part-*-"$remora_owned"*
remora_sweep
