# Facts about the machine as a place for installing; quick. Needs places.sh.
# The agent that came with this session is for git alone, where the manifest says so; one of the host's own stays.
if [ -n "$remora_lent_agent" ] && [ "$(readlink -f -- "${SSH_AUTH_SOCK-}")" = "$(readlink -f -- "$remora_lent_agent")" ]; then
  unset SSH_AUTH_SOCK
fi
remora_emit path "$remora_path"
remora_emit os "$(uname -s)"
remora_architecture=$(uname -m)
if [ "$(getconf LONG_BIT 2>/dev/null)" = 32 ]; then # a 32-bit user space runs no 64-bit program, whatever the kernel
  case $remora_architecture in x86_64) remora_architecture=i686 ;; aarch64 | arm64) remora_architecture=armv7l ;; esac
fi
remora_emit architecture "$remora_architecture"
remora_libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
for remora_place in /lib/ld-musl-*; do
  [ -n "$remora_libc" ] || [ ! -e "$remora_place" ] || remora_libc=musl
done
remora_emit libc "$remora_libc"
remora_emit user "$remora_user"
remora_emit home "$HOME"
remora_emit codex-home "$remora_home"
remora_emit machine-id "$remora_machine"
remora_emit boot-id "$(remora_boot_id)"
remora_emit state "$remora_state"
remora_emit runtime "$remora_run"
remora_tools=
for remora_name in awk bzip2 cargo crontab curl git gunzip gzip head launchctl loginctl mkfifo node npm openssl perl prlimit \
  python3 setsid sha256sum shasum ssh sudo systemctl systemd-run tar timeout unzip wget xz zstd; do
  ! command -v "$remora_name" >/dev/null 2>&1 || remora_tools="$remora_tools $remora_name"
done
remora_emit tools "$remora_tools"
