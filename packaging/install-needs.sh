#!/usr/bin/env bash
# Installs what the tests and the demonstration need from Debian. Idempotent; does nothing without root.
set -euo pipefail
need=()
command -v cc >/dev/null || need+=(gcc libc6-dev)
command -v qemu-system-x86_64 >/dev/null || need+=(qemu-system-x86 qemu-system-data seabios)
command -v qemu-img >/dev/null || need+=(qemu-utils)
command -v virsh >/dev/null || need+=(libvirt-clients)
command -v dnsmasq >/dev/null || need+=(dnsmasq-base)
command -v nft >/dev/null || need+=(nftables)
command -v ebtables >/dev/null || need+=(ebtables iptables)
command -v ip >/dev/null || need+=(iproute2)
[ ${#need[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "not root; please install: ${need[*]}" >&2
  exit 0
fi
sources=/etc/apt/sources.list.d/debian.sources
options=()
if [ -f "$sources" ]; then
  grep -q bookworm-backports "$sources" || sed -i 's/^\(Suites: bookworm bookworm-updates\)$/\1 bookworm-backports/' "$sources"
  grep -q bookworm-backports "$sources" && options=(-t bookworm-backports)
fi
apt-get -q update >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${options[@]}" "${need[@]}" >/dev/null
