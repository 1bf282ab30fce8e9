#!/usr/bin/env bash
# Starts and ends a guest again and again; see README.md.
source "$(dirname "$0")/common.sh"
cycles=${1:-200}
begin
v define <(guest) > /dev/null

# Open descriptors, resident KiB, threads, files.
measure() {
  local files
  files=$(find "$root" -type f ! -name '*.log*' | wc -l)
  echo "$(ls "/proc/$daemon/fd" | wc -l) $(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status") $(ls "/proc/$daemon/task" | wc -l) $files"
}

cycle() {
  local count=$1
  for _ in $(seq "$count"); do
    printf 'start suite\ndestroy suite\n'
  done | v > /dev/null
}

# Whatever is made once is there after the first ones.
cycle 20
read -r fds rss threads files <<< "$(measure)"
began=$(now)
cycle "$cycles"
took=$(($(now) - began))
read -r fds2 rss2 threads2 files2 <<< "$(measure)"
echo "$cycles cycles in $took ms; descriptors $fds -> $fds2, resident KiB $rss -> $rss2, threads $threads -> $threads2, files $files -> $files2"
[ "$fds2" -le $((fds + 2)) ] && [ "$files2" -le "$files" ] && [ "$rss2" -le $((rss + rss / 4 + 1024)) ] && [ -z "$(guests)" ]
