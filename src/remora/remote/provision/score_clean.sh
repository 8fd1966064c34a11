# Remove the scratch folder; go mod and others leave folders that may not be written.
chmod -R u+rwX -- "$remora_state/$remora_scratch" 2>/dev/null
rm -rf -- "$remora_state/$remora_scratch"
[ -d "$remora_state/$remora_scratch" ] || remora_tell removed 1
