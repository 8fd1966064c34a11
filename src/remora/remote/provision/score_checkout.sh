# The commit of the folder, checked out clean beside it: remora_scratch/project shares the objects and nothing else. Needs
# git.sh, remora_top and remora_commit.
remora_new=$remora_state/$remora_scratch/project
remora_git -c core.hooksPath=/dev/null clone --quiet --shared --no-checkout -- "$remora_top" "$remora_new" || exit
remora_from=$(remora_git config --get remote.origin.url 2>/dev/null)
remora_tree=$remora_new
remora_git -c core.hooksPath=/dev/null checkout --quiet --detach "$remora_commit" || exit
if [ -f "$remora_new/.gitmodules" ]; then
  [ -z "$remora_from" ] || remora_git remote set-url origin "$remora_from"
  remora_git submodule update --quiet --init --recursive || exit
fi
remora_git log -1 --format='%h %s'
