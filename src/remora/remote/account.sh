# What every look at a host tells of the account and its machine. Needs places.sh.

# remora_architecture: print what programs have to be built for.
remora_architecture() {
  if [ "$(getconf LONG_BIT 2>/dev/null)" = 32 ]; then # a 32-bit user space runs no 64-bit program, whatever the kernel
    case $remora_processor in
      x86_64) echo i686 ;;
      aarch64 | arm64) echo armv7l ;;
      *) echo "$remora_processor" ;;
    esac
  else
    echo "$remora_processor"
  fi
}

remora_emit_account() {
  remora_emit path "$remora_path"
  remora_emit os "$remora_os"
  remora_emit architecture "$(remora_architecture)"
  remora_emit user "$remora_user"
  remora_emit home "$HOME"
  remora_emit codex-home "$remora_home"
  remora_emit machine-id "$remora_machine"
  remora_emit here "$remora_here"
  remora_emit boot-id "$(remora_boot_id)"
  remora_emit state "$remora_state"
  remora_emit runtime "$remora_run"
}
