#!/usr/bin/env bash
# Boots a tiny Linux guest under a private instance and shows its console. Everything is kept under
# target/demo; `demo.sh stop` ends guest and daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
demo=$PWD/target/demo
root=$demo/instance
uri="qemu+unix:///system?socket=$root/run/libvirt/libvirt-sock"
pid_file=$demo/ostlerd.pid

stop() {
  virsh -c "$uri" destroy demo >/dev/null 2>&1 || true
  [ -s "$pid_file" ] && kill "$(cat "$pid_file")" 2>/dev/null || true
  rm -rf "$root"
}

[ "${1:-}" = stop ] && { stop; exit 0; }

packaging/install-needs.sh
cargo build --quiet --release --workspace
packaging/make-demo-guest.sh "$demo/guest"
stop
mkdir -p "$root"
target/release/ostlerd --root "$root" --pid-file "$pid_file" >"$demo/ostlerd.log" 2>&1 &
for _ in $(seq 100); do [ -S "$root/run/libvirt/libvirt-sock" ] && break; sleep 0.05; done

accelerator=qemu
reason="there is no usable /dev/kvm"
if [ -w /dev/kvm ]; then
  if grep -qwE 'vmx|svm' /proc/cpuinfo; then
    accelerator=kvm
    reason="the processor can"
  else
    reason="/dev/kvm is there, but the processor shows no vmx or svm: such a KVM does not run Linux guests"
  fi
fi
echo "accelerator: type='$accelerator' ($reason)"

console=$demo/console.log
rm -f "$console"
cat >"$demo/demo.xml" <<XML
<domain type='$accelerator'>
  <name>demo</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$demo/guest/vmlinuz</kernel>
    <initrd>$demo/guest/initrd.img</initrd>
    <cmdline>console=ttyS0 nokaslr mitigations=off tsc=reliable no_timer_check random.trust_cpu=on quiet</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='file'><source path='$console'/></serial>
  </devices>
</domain>
XML
virsh -c "$uri" define "$demo/demo.xml"
virsh -c "$uri" start demo
echo "--- console of the guest (until its prompt)"
for _ in $(seq 1200); do grep -q 'demo# ' "$console" 2>/dev/null && break; sleep 0.1; done
tr -d '\r' <"$console"
echo
grep -q 'demo# ' "$console" || { echo "the guest did not come to its prompt within two minutes" >&2; exit 1; }
echo "---"
virsh -c "$uri" list
echo "The guest goes on running. Connect with:   virsh -c '$uri'"
echo "End it with:                               make demo-stop"
