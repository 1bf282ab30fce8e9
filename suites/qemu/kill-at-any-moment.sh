#!/usr/bin/env bash
# Ends the daemon at growing moments of a start and of a stop; see README.md.
source "$(dirname "$0")/common.sh"
rounds=${1:-20}
begin
v define <(guest) > /dev/null
v start suite > /dev/null
v destroy suite > /dev/null
faults=0
fault() { echo "FAULT after $1 ms of $2: $3" >&2; faults=$((faults + 1)); }

# Ends the daemon so many milliseconds after a command was given, and starts it again.
interrupt() {
  v "$2" suite > /dev/null 2>&1 &
  local command=$!
  sleep "$(printf '0.%03d' "$1")"
  kill -9 "$daemon"
  wait "$daemon" 2> /dev/null || true
  wait "$command" 2> /dev/null || true
  begin
}

running=0
for round in $(seq "$rounds"); do
  after=$((round * 400 / rounds))
  interrupt "$after" start
  state=$(v domstate suite)
  if [ "$state" = running ]; then
    running=$((running + 1))
    [ "$(guests | wc -l)" = 1 ] || fault "$after" start "it runs, but its emulator does not"
  else
    [ -z "$(guests)" ] || fault "$after" start "it is $state, but its emulator runs"
    [ -z "$(leftovers)" ] || fault "$after" start "left: $(leftovers | tr '\n' ' ')"
    v start suite > /dev/null || fault "$after" start "it cannot be started again"
  fi
  interrupt "$((after / 8))" destroy
  [ "$(v domstate suite)" = running ] && v destroy suite > /dev/null
  [ -z "$(guests)" ] || fault "$after" destroy "its emulator runs on"
  [ -z "$(leftovers)" ] || fault "$after" destroy "left: $(leftovers | tr '\n' ' ')"
done
echo "$rounds rounds: the guest came through $running starts; $faults faults"
[ "$faults" = 0 ]
