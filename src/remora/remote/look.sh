# What lies in .codex folders (the arguments), for the app server to run: it reads, and changes nothing. One line each:
# "machine ID", then "file FOLDER-NUMBER NAME-HEX STATE SHA256 CONTENT-HEX" for every file, and "end".
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
export PATH LC_ALL=C
look_machine=
for look_place in /etc/machine-id /var/lib/dbus/machine-id; do
  [ -n "$look_machine" ] || [ ! -r "$look_place" ] || read -r look_machine <"$look_place"
done
[ -n "$look_machine" ] || look_machine=$(sysctl -n kern.uuid 2>/dev/null)
[ -n "$look_machine" ] || look_machine=$(uname -n)
printf 'machine %s %s\n' "$(printf %s "$look_machine" | tr -dc 'A-Za-z0-9.-')" "$(id -u)"
# shellcheck disable=SC2016 # the inner shell has variables of its own
look_file='
look_hex() { od -An -v -tx1 | tr -d " \n"; }
look_sum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256
  else openssl dgst -sha256 -r; fi 2>/dev/null | cut -c 1-64
}
look_number=$1
look_folder=$2
shift 2
for look_path; do
  look_name=$(printf %s "${look_path#"$look_folder"/}" | look_hex)
  look_state=file look_digest=- look_content=-
  if [ -L "$look_path" ]; then look_state=link
  elif [ ! -f "$look_path" ]; then look_state=odd
  elif [ ! -r "$look_path" ]; then look_state=unreadable
  elif [ "$(head -c 1048577 <"$look_path" | wc -c)" -gt 1048576 ]; then look_state=large
  else
    look_digest=$(look_sum <"$look_path")
    look_digest=${look_digest:--}
    case ${look_path#"$look_folder"/} in
      config.toml | hooks.json | environments.toml | rules/*.rules)
        if [ "$(wc -c <"$look_path")" -gt 32768 ]; then look_state=large
        else look_content=$(look_hex <"$look_path"); fi
        ;;
    esac
  fi
  echo "file $look_number ${look_name:--} $look_state $look_digest ${look_content:--}"
done'
look_number=0
for look_folder; do
  find "$look_folder" ! -type d -exec /bin/sh -c "$look_file" sh "$look_number" "$look_folder" {} +
  look_number=$((look_number + 1))
done 2>/dev/null | head -n 201
echo end
