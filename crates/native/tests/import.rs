//! Command lines people have, turned into documents.

use ostler_native::import;

macro_rules! xml {
    ($line:expr $(,)?) => {
        import($line).unwrap().xml
    };
}

/// The example of the driver's specification, word for word.
#[test]
fn the_specification_s_example() {
    let line = "LC_ALL=C PATH=/bin HOME=/home/test USER=test LOGNAME=test /usr/bin/qemu -S -M pc -m 214 -smp 1 \
        -nographic -monitor pty -no-acpi -boot c -hda /dev/HostVG/QEMUGuest1 -net none -serial none -parallel none -usb";
    let imported = import(line).unwrap();
    assert!(imported.remarks.is_empty(), "{:?}", imported.remarks);
    assert_eq!(
        imported.xml,
        "<domain type='qemu'>
  <uuid>00000000-0000-0000-0000-000000000000</uuid>
  <memory>219136</memory>
  <currentMemory>219136</currentMemory>
  <vcpu>1</vcpu>
  <os>
    <type arch='i686' machine='pc'>hvm</type>
    <boot dev='hd'/>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu</emulator>
    <disk type='block' device='disk'>
      <source dev='/dev/HostVG/QEMUGuest1'/>
      <target dev='hda' bus='ide'/>
    </disk>
  </devices>
</domain>
"
    );
}

/// What is not understood is passed on whole, with a remark; its back end with it.
#[test]
fn nothing_is_dropped_silently() {
    let imported = import(
        "/usr/bin/qemu-system-x86_64 -M q35 -nodefaults -device mystery,chardev=c0,x=1 -chardev pty,id=c0 -strange -odd value",
    )
    .unwrap();
    for word in ["mystery,chardev=c0,x=1", "pty,id=c0", "-strange", "-odd", "value"] {
        assert!(imported.xml.contains(&format!("<qemu:arg value='{word}'/>")), "{word}: {}", imported.xml);
    }
    assert_eq!(imported.remarks.len(), 4, "{:?}", imported.remarks);
}

/// A property that the document has no word for stays with its device.
#[test]
fn unknown_properties_become_overrides() {
    let xml = xml!("/usr/bin/qemu-system-x86_64 -M pc -nodefaults -device virtio-balloon-pci,id=b,x-odd=5");
    assert!(xml.contains("<alias name='ua-b'/>"), "{xml}");
    assert!(xml.contains("<qemu:property name='x-odd' type='unsigned' value='5'/>"), "{xml}");
}

/// Layers of nodes: throttle over copy-on-read over a format over a place, and a backing chain.
#[test]
fn block_nodes() {
    let xml = xml!(
        r#"/usr/bin/qemu-system-x86_64 -M q35 -nodefaults
        -object '{"qom-type":"throttle-group","id":"g","limits":{"bps-total":4000,"iops-total":0}}'
        -blockdev '{"driver":"file","filename":"/a.qcow2","node-name":"s","cache":{"direct":true,"no-flush":false}}'
        -blockdev driver=file,filename=/base.raw,node-name=bs -blockdev driver=raw,file=bs,node-name=b,read-only=on
        -blockdev '{"driver":"qcow2","file":"s","node-name":"f","backing":"b","cache":{"direct":true,"no-flush":false}}'
        -blockdev driver=copy-on-read,file=f,node-name=c -blockdev driver=throttle,file=c,throttle-group=g,node-name=t
        -device virtio-blk-pci,drive=t,bootindex=0"#
    );
    for part in [
        "<driver name='qemu' type='qcow2' cache='none' copy_on_read='on'/>",
        "<source file='/a.qcow2'/>",
        "<source file='/base.raw'/>",
        "<total_bytes_sec>4000</total_bytes_sec>",
        "<boot order='1'/>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    assert!(!xml.contains("qemu:arg"), "{xml}");
}

/// Chains that never end, and values without end, are refused or passed on, not followed.
#[test]
fn hostile_lines() {
    let loops = xml!(
        "/q -M pc -blockdev driver=raw,file=b,node-name=a -blockdev driver=raw,file=a,node-name=b -device ide-hd,drive=a",
    );
    assert!(loops.contains("ide-hd,drive=a"), "{loops}");
    for line in ["", "'", "-S", "A=1", "\\"] {
        assert!(import(line).is_err(), "{line:?}");
    }
    for line in [
        "/q -smp 99999999999999999999,sockets=4294967295,cores=4294967295,threads=4294967295",
        "/q -m 99999999999999999999T -numa node,mem=9999999999999999999 -boot zzz -vnc :99999999999999999999",
        "/q -drive if=ide,bus=18446744073709551615,unit=9,file=x -device pcie-root-port,id=pci.4294967295",
        "/q -cpu , -device , -netdev , -chardev , -object , -rtc base=9999-99-99",
    ] {
        let _ = import(line);
    }
}
