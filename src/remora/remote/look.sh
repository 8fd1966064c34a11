# What a repository brings, for the app server to run: it reads, and changes nothing. Arguments: how many .codex
# folders, these, and files that may be named in them. One line each: "machine ID", "place FOLDER-NUMBER PARENT-HEX",
# "file FOLDER-NUMBER NAME-HEX STATE SHA256 CONTENT-HEX" for every file, "named FILE-NUMBER STATE SHA256" for what is
# there, "stamp SHA256" over everything that no change leaves as it was, and "end".
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
export PATH LC_ALL=C
look_machine=
for look_place in /etc/machine-id /var/lib/dbus/machine-id; do
  [ -n "$look_machine" ] || [ ! -r "$look_place" ] || read -r look_machine <"$look_place"
done
[ -n "$look_machine" ] || look_machine=$(sysctl -n kern.uuid 2>/dev/null)
[ -n "$look_machine" ] || look_machine=$(uname -n)
printf 'machine %s %s\n' "$(printf %s "$look_machine" | tr -dc 'A-Za-z0-9.-')" "$(id -u)"
# shellcheck disable=SC2016 # the inner shells have variables of their own
look_tools='
look_hex() { od -An -v -tx1 | tr -d " \n"; }
look_sum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256
  else openssl dgst -sha256 -r; fi 2>/dev/null | cut -c 1-64
}
look_larger() { [ "$(head -c "$(($2 + 1))" <"$1" | wc -c)" -gt "$2" ]; }
look_digest=- look_state=
look_content() {
  if [ ! -f "$1" ]; then look_state=odd
  elif [ ! -r "$1" ]; then look_state=unreadable
  elif look_larger "$1" "$2"; then look_state=large
  else
    look_state=file
    look_digest=$(look_sum <"$1")
    look_digest=${look_digest:--}
  fi
}
look_stamp() {
  stat -c "%d %i %z %n" -- "$@" 2>/dev/null || stat -f "%d %i %Fc %N" -- "$@" 2>/dev/null || ls -dilc -- "$@"
}'
# shellcheck disable=SC2016
look_file='
look_number=$1
look_folder=$2
shift 2
for look_path; do
  look_name=$(printf %s "${look_path#"$look_folder"/}" | look_hex)
  look_digest=- look_shown=-
  if [ -L "$look_path" ]; then look_state=link
  else look_content "$look_path" 1048576; fi
  case $look_state/${look_path#"$look_folder"/} in
    file/config.toml | file/hooks.json | file/environments.toml | file/rules/*.rules | file/agents/*.toml)
      if look_larger "$look_path" 32768; then look_state=large look_digest=-
      else look_shown=$(look_hex <"$look_path"); fi
      ;;
  esac
  echo "file $look_number ${look_name:--} $look_state $look_digest ${look_shown:--}"
done'
look_state=
eval "$look_tools"
look_count=$1
shift
look_folders() { # the folders of the arguments, in new arguments of the command that is named first
  look_does=$1
  shift
  look_number=0
  for look_folder; do
    [ "$look_number" -lt "$look_count" ] || break
    "$look_does"
    look_number=$((look_number + 1))
  done
}
look_parent() {
  look_place=$(cd -P -- "${look_folder%/*}/" 2>/dev/null && pwd -P)
  printf 'place %s %s\n' "$look_number" "$(printf %s "$look_place" | look_hex)"
}
look_files() {
  find "$look_folder" ! -type d -exec /bin/sh -c "$look_tools$look_file" sh "$look_number" "$look_folder" {} +
}
look_times() { # the folder with all in it, and the folders above it up to the outermost one's parent
  [ "$look_number" -gt 0 ] || look_top=${look_folder%/*}
  find "$look_folder" -exec /bin/sh -c "$look_tools
look_stamp \"\$@\"" sh {} +
  look_place=${look_folder%/*}
  while [ "$look_place" != "$look_top" ] && [ -n "$look_place" ]; do
    look_stamp "$look_place"
    look_place=${look_place%/*}
  done
}
look_named() {
  shift "$look_count"
  look_number=0
  for look_path; do
    if [ -e "$look_path" ] && [ ! -d "$look_path" ]; then
      look_digest=-
      look_content "$look_path" 67108864
      echo "named $look_number $look_state $look_digest"
    fi
    look_number=$((look_number + 1))
  done
}
look_named_times() {
  shift "$look_count"
  for look_path; do
    [ ! -e "$look_path" ] || [ -d "$look_path" ] || look_stamp "$look_path"
  done
}
{
  look_folders look_parent "$@"
  look_folders look_files "$@" | head -n 201
  look_named "$@" | head -n 101
  printf 'stamp %s\n' "$({
    look_folders look_times "$@"
    look_named_times "$@"
  } | look_sum)"
} 2>/dev/null
echo end
