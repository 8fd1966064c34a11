# Where an archive is to lie before it is unpacked. Needs codex_transfer.sh.
remora_tell place "$remora_part.gz"
