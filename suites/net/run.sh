#!/bin/bash
# Networks, cards, filters and pools with a real kernel, in a network namespace of its own: nothing of
# the machine's network is touched, and nothing is left in the namespace either.
#
#   suites/net/run.sh [DIRECTORY OF THE PROGRAMS]     (default: target/debug)
#
# Two guests without a disk boot from the network: their firmware asks for an address, which is
# enough to see that bridge, rules, dnsmasq and taps work together. Needs root, virsh, dnsmasq, nft
# and QEMU; says loudly what is missing and is passed over then.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=$(cd "${1:-$here/target/debug}" 2>/dev/null && pwd) || { echo "SKIPPED suites/net: no programs"; exit 0; }

skip() { echo "SKIPPED suites/net: $*"; exit 0; }
if [ -z "${SUITE_INSIDE:-}" ]; then
    [ "$(id -u)" = 0 ] || skip "needs root"
    for program in virsh dnsmasq nft ip qemu-system-x86_64 unshare; do
        command -v "$program" >/dev/null || skip "no $program"
    done
    [ -x "$programs/ostlerd" ] && [ -x "$programs/ostler-lease" ] || skip "no ostlerd in $programs"
    [ -c /dev/net/tun ] || skip "no /dev/net/tun"
    unshare -n true 2>/dev/null || skip "no network namespaces"
    SUITE_INSIDE=1 exec unshare -n -m "${BASH_SOURCE[0]}" "$programs"
fi

root=$(mktemp -d /tmp/ostler-net-XXXXXX); chmod 755 "$root"
export LIBVIRT_DEFAULT_URI="qemu+unix:///system?socket=$root/run/libvirt/libvirt-sock"
failures=0
check() { # NAME COMMAND...: passes if the command does
    local name=$1; shift
    if "$@" >"$root/out" 2>&1; then echo "ok    $name"; else echo "FAIL  $name"; sed 's/^/      /' "$root/out"; failures=$((failures + 1)); fi
}
start() {
    "$programs/ostlerd" --root "$root" >>"$root/log" 2>&1 &
    daemon=$!
    for _ in $(seq 150); do virsh -q list >/dev/null 2>&1 && return; sleep 0.1; done
    echo "FAIL  the daemon does not answer"; cat "$root/log"; exit 1
}
finish() {
    for guest in $(virsh list --name 2>/dev/null); do virsh destroy "$guest" >/dev/null 2>&1; done
    virsh net-destroy lab >/dev/null 2>&1
    kill "$daemon" 2>/dev/null; wait 2>/dev/null
    rm -rf "$root"
}
trap finish EXIT
within() { # SECONDS COMMAND...: whether it succeeds within that time
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.3; done
}
picture() { ip -o link | sed 's/^[0-9]*: //'; ip -o addr show scope global; ip route; nft list ruleset | sed '/^table bridge nat/,/^}/d'; ebtables-save 2>/dev/null | grep -v '^#\|^\*\|^:[A-Z]* ACCEPT\|^$'; }
processes() { pgrep -f -- "--conf-file=$root" | wc -l; }
leases() { virsh -q net-dhcp-leases lab | grep -c ipv4; }
rules() { nft list table ip libvirt_network 2>/dev/null | grep -c counter; }
same() { [ "$1" = "$2" ] || { echo "expected $2, found $1"; return 1; }; }

ip link set lo up
picture >"$root/before"
start
cat >"$root/lab.xml" <<X
<network><name>lab</name><forward mode='nat'/><bridge name='labbr0' stp='off' delay='0'/>
<ip address='10.213.7.1' netmask='255.255.255.0'><dhcp><range start='10.213.7.2' end='10.213.7.99'/>
<host mac='52:54:00:00:0a:01' name='one' ip='10.213.7.50'/></dhcp></ip></network>
X
guest() { # NAME MAC MORE
    cat >"$root/$1.xml" <<X
<domain type='qemu'><name>$1</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type>
<boot dev='network'/></os><devices><interface type='network'><mac address='$2'/><source network='lab'/>
<model type='virtio'/>$3</interface></devices></domain>
X
    virsh define "$root/$1.xml"
}
check "a network is defined" virsh net-define "$root/lab.xml"
check "a network is started" virsh net-start lab
check "its rules are there" test "$(rules)" -gt 5
check "two networks do not share a bridge" eval "! sed 's/lab</other</' '$root/lab.xml' | virsh net-create /dev/stdin"
check "guests are defined" eval "guest one 52:54:00:00:0a:01 '' && guest two 52:54:00:00:0a:02 \"<filterref filter='clean-traffic'/>\""
check "a guest is started" virsh start one
check "a guest with a filter is started" virsh start two
check "ports are counted" eval "virsh net-dumpxml lab | grep -q \"connections='2'\""
check "the filter is bound" eval "virsh -q nwfilter-binding-list | grep -q clean-traffic"
check "both guests get an address" within 90 eval '[ "$(leases)" = 2 ]'
check "the known guest gets its own" eval "virsh net-dhcp-leases lab | grep -q 10.213.7.50/24"
check "the filter learns its guest's address" within 20 grep -q learnt= "$root/run/libvirt/nwfilter-binding/vnet1.xml"
kill -9 "$daemon"; wait "$daemon" 2>/dev/null; start
check "after kill -9 the network goes on" eval "virsh -q net-list | grep -q lab"
check "after kill -9 guests have their cards" eval "virsh domiflist one | grep -q vnet"
check "after kill -9 nobody started a second dnsmasq" same "$(processes)" 2
nft delete table ip libvirt_network
check "rules that somebody removed are put in again" within 10 eval '[ "$(rules)" -gt 5 ]'
check "a host is added to a running network" virsh net-update lab add ip-dhcp-host \
    "<host mac='52:54:00:00:0a:03' ip='10.213.7.60'/>" --live --config
check "a guest is stopped" virsh destroy two
check "its binding went with it" eval '! virsh -q nwfilter-binding-list | grep -q vnet'
kill -9 "$daemon"; wait "$daemon" 2>/dev/null; start
check "the other is stopped by the next daemon" virsh destroy one
check "no port is left" same "$(virsh -q net-port-list lab | wc -w)" 0
check "the network is stopped" virsh net-destroy lab
picture >"$root/after"
check "links, addresses, routes and rules are as before" diff "$root/before" "$root/after"
check "no dnsmasq is left" same "$(processes)" 0
check "no file of a run is left" eval "! find '$root/run/libvirt/network' '$root/var/lib/libvirt/dnsmasq' -type f ! -name autostarted | grep ."
check "a guest is not started without its network" eval '! virsh start one'
check "a pool is built and started" eval "virsh pool-define-as p dir --target '$root/images' && virsh pool-build p && virsh pool-start p"
check "volumes are made, one on the other" eval "virsh vol-create-as p a 4M --format raw &&
    virsh vol-create-as p b 8M --format qcow2 --backing-vol a --backing-vol-format raw"
check "a volume is filled and read" eval "head -c 3000000 /dev/urandom >'$root/data' && virsh vol-upload a '$root/data' --pool p --sparse &&
    virsh vol-download a '$root/back' --pool p --length 3000000 && cmp '$root/data' '$root/back'"
check "volumes are deleted" eval "virsh vol-delete b --pool p && virsh vol-delete a --pool p && virsh pool-destroy p && virsh pool-delete p"
[ "$failures" = 0 ] && echo "suites/net: all passed" || { echo "suites/net: $failures failed"; tail -20 "$root/log"; exit 1; }
