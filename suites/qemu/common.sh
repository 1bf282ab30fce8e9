# Sourced by the scripts beside it: a daemon below a root of its own.
set -euo pipefail
bin=$(cd "${OSTLER_BIN:-$(dirname "${BASH_SOURCE[0]}")/../../target/debug}" && pwd)
root=$(mktemp -d /tmp/ostler-suite.XXXXXX)
chmod 755 "$root"
uri="qemu+unix:///system?socket=$root/run/libvirt/libvirt-sock"
daemon=

# How many milliseconds since the epoch.
now() { date +%s%3N; }

begin() {
  "$bin/ostlerd" --root "$root" > "$root/daemon.log" 2>&1 &
  daemon=$!
  for _ in $(seq 200); do
    v uri > /dev/null 2>&1 && return
    sleep 0.05
  done
  echo "the daemon does not answer" >&2
  exit 1
}

v() { virsh -q -c "$uri" "$@"; }

# Processes of guests below this root.
guests() { pgrep -f -- "-name guest=suite.*$root" || true; }

clean() {
  local pid
  for pid in $(guests); do kill -9 "$pid" 2> /dev/null || true; done
  [ -n "$daemon" ] && kill -9 "$daemon" 2> /dev/null || true
  wait 2> /dev/null || true
  rm -rf "$root"
}
trap clean EXIT

guest() {
  cat <<XML
<domain type='qemu'>
  <name>suite</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
XML
}

# Files that a guest which does not run must not have left.
leftovers() {
  find "$root/run/libvirt/qemu" "$root/var/lib/libvirt/qemu" \
    \( -name '*.xml' -o -name '*.pid' -o -name 'domain-*' -o -name '*-suite' \) ! -path '*/dbus/*' 2> /dev/null || true
}
