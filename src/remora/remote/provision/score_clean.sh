# Remove the scratch folder; go mod and others leave folders that may not be written.
# Only folders: files may be hard links into a cache.
find "$remora_state/$remora_scratch" -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
rm -rf -- "${remora_state:?}/$remora_scratch" 2>/dev/null
[ ! -d "$remora_state/$remora_scratch" ] || remora_tell left "$remora_state/$remora_scratch"
