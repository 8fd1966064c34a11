# remora_program: the codex that the login shell finds, else one where installers put it; nothing when there is none.
remora_program=$(PATH=$remora_path; command -v codex 2>/dev/null)
case $remora_program in /*) ;; *) remora_program= ;; esac
for remora_place in "$HOME/.local/bin" /usr/local/bin "$HOME/bin"; do
  [ -n "$remora_program" ] || [ ! -x "$remora_place/codex" ] || remora_program=$remora_place/codex
done
