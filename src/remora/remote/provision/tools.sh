# Which of the programs that our scripts live on are not there: without them every step would fail in a way of its own.
for remora_tool in awk cat chmod cksum cut date dd df find grep head ln ls mkdir mkfifo mv od readlink rm sed sort stat tail tee tr wc; do
  command -v "$remora_tool" >/dev/null 2>&1 || remora_emit tool.missing "$remora_tool"
done
command -v sha256sum >/dev/null 2>&1 || command -v shasum >/dev/null 2>&1 || command -v openssl >/dev/null 2>&1 ||
  remora_emit tool.missing sha256sum
