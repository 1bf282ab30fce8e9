#!/usr/bin/env bash
# Makes a tiny Linux guest from Debian packages: a kernel and an initial RAM disk with busybox.
#   make-demo-guest.sh OUTDIR      writes OUTDIR/vmlinuz and OUTDIR/initrd.img; does nothing where they are
set -euo pipefail
out=${1:?usage: make-demo-guest.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -s "$out/vmlinuz" ] && [ -s "$out/initrd.img" ] && exit 0
command -v cpio >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends cpio >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image-/{print $2; exit}')
if [ -z "$kernel" ]; then
  apt-get -q update >/dev/null
  kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/{print $2; exit}')
fi
(cd "$work" && apt-get -q download "$kernel" busybox-static >/dev/null 2>&1)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
cp "$work"/root/boot/vmlinuz-* "$out/vmlinuz"
mkdir -p "$work/initrd"/{bin,dev,proc,sys}
cp "$work/root/bin/busybox" "$work/initrd/bin/"
cat >"$work/initrd/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
echo
echo "This is $(uname -sr), booted by Ostler on $(grep -c ^processor /proc/cpuinfo) CPU, $(awk '/MemTotal/{print $2}' /proc/meminfo) KiB."
while :; do PS1='demo# ' setsid cttyhack sh -i; done
INIT
chmod 755 "$work/initrd/init"
(cd "$work/initrd" && find . | cpio --quiet -o -H newc | gzip -1) >"$out/initrd.img"
