#!/usr/bin/env bash
# Makes a Debian package from what `cargo build --release` has built. OSTLER_TARGET says where that is;
# OSTLER_NAMES=1 adds the names that stock clients start a daemon by.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${OSTLER_TARGET:-target/release}
out=${1:-target/deb}
for program in ostlerd ostler ostler-launcher; do
  [ -x "$target/$program" ] || { echo "no $target/$program; build it first" >&2; exit 1; }
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
install -D -m 755 "$target/ostlerd" "$root/usr/sbin/ostlerd"
install -D -m 755 "$target/ostler" "$root/usr/bin/ostler"
install -D -m 755 "$target/ostler-launcher" "$root/usr/libexec/ostler/ostler-launcher"
for unit in packaging/systemd/*; do install -D -m 644 "$unit" "$root/usr/lib/systemd/system/${unit##*/}"; done
install -D -m 644 packaging/sysusers.d/ostler.conf "$root/usr/lib/sysusers.d/ostler.conf"
install -D -m 644 packaging/tmpfiles.d/ostler.conf "$root/usr/lib/tmpfiles.d/ostler.conf"
for page in packaging/man/*; do
  install -d "$root/usr/share/man/man${page##*.}"
  gzip -9nc "$page" > "$root/usr/share/man/man${page##*.}/${page##*/}.gz"
done
if [ "${OSTLER_NAMES:-0}" = 1 ]; then
  ln -s ostlerd "$root/usr/sbin/libvirtd"
  ln -s ostlerd "$root/usr/sbin/virtqemud"
fi
install -d "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: ostler
Version: $version
Architecture: $arch
Maintainer: Ostler <ostler@localhost>
Depends: libc6
Recommends: qemu-system, qemu-utils
Conflicts: libvirt-daemon, libvirt-daemon-system
Section: admin
Priority: optional
Description: looks after guests of QEMU
 A daemon that starts, watches and ends virtual machines, and its client.
 It takes the place of libvirtd: same sockets, protocol, definitions, files.
CONTROL
cat > "$root/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null; then systemd-sysusers ostler.conf || true; fi
if command -v systemd-tmpfiles >/dev/null; then systemd-tmpfiles --create ostler.conf || true; fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable --now libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket || true
fi
SCRIPT
cat > "$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
# Guests go on.
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket ostlerd.service || true
fi
SCRIPT
chmod 755 "$root"/DEBIAN/postinst "$root"/DEBIAN/prerm
mkdir -p "$out"
package="$out/ostler_${version}_$arch.deb"
dpkg-deb --build --root-owner-group "$root" "$package" >/dev/null
echo "$package"
