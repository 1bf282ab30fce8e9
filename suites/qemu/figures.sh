#!/usr/bin/env bash
# Figures of docs/performance.md: start, reconnecting, bulk counters, memory. OSTLER_BIN says which build.
source "$(dirname "$0")/common.sh"
definitions=${1:-1000}
running=${2:-20}
named() { guest | sed "s/<name>suite/<name>suite-$1/"; }
resident() { awk '/^VmRSS/ { all = $2 } /^RssAnon/ { own = $2 } END { print all " KiB, of them " own " its own" }' "/proc/$daemon/status"; }
own() { awk '/^RssAnon/ { print $2 }' "/proc/$daemon/status"; }
ticks() { awk '{ print ($14 + $15) * 10 }' "/proc/$daemon/stat"; }

# Starts the daemon; milliseconds until clients can connect.
timed_begin() {
  local began
  began=$(now)
  mkfifo "$root/ready"
  "$bin/ostlerd" --root "$root" --report-ready > "$root/ready" 2> "$root/daemon.log" &
  daemon=$!
  read -r _ < "$root/ready"
  rm "$root/ready"
  took=$(($(now) - began))
}

timed_begin
echo "start, nothing defined: $took ms; resident: $(resident)"
mkdir -p "$root/xml"
for number in $(seq "$running"); do named "$number" > "$root/xml/$number"; done
v create "$root/xml/1" --paused > /dev/null
before=$(own)
for number in $(seq 2 "$running"); do echo "create $root/xml/$number --paused"; done | v > /dev/null
echo "memory of a running guest: $((($(own) - before) / (running - 1))) KiB"
for _ in 1 2 3; do
  spent=$(ticks)
  began=$(now)
  v domstats > /dev/null
  echo "bulk counters of $running guests, with virsh: $(($(now) - began)) ms, processor $(($(ticks) - spent)) ms"
done
kill -9 "$daemon"
wait "$daemon" 2> /dev/null || true
timed_begin
echo "start after SIGKILL, $running guests run: $took ms, processor $(ticks) ms; known: $(v list --name | grep -c suite)"
for number in $(seq "$running"); do echo "destroy suite-$number"; done | v > /dev/null
kill "$daemon"
wait "$daemon" 2> /dev/null || true
for number in $(seq "$definitions"); do
  id=$(printf '%012d' "$number")
  named "$number" | sed "s|</name>|</name><uuid>11111111-2222-4333-8444-$id</uuid>|" > "$root/etc/libvirt/qemu/suite-$number.xml"
done
timed_begin
began=$(now)
count=$(v list --all --name | grep -c suite)
echo "start, $definitions defined: $took ms, processor $(ticks) ms; $count listed by virsh in $(($(now) - began)) ms; resident: $(resident)"
