//! Capability flags: what an emulator can do, as a closed list of names.
//!
//! Owns: the list (names and numbers are those of capability caches and status files) and the set
//! type. Never: knows where a flag comes from ([`super::rules`]).

use std::fmt;

macro_rules! flags {
    ($($variant:ident = $number:literal $name:literal,)+) => {
        /// One thing that an emulator may be able to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Flag { $(#[doc = $name] $variant = $number,)+ }

        impl Flag {
            /// Every flag, in number order.
            pub const ALL: &'static [Flag] = &[$(Flag::$variant,)+];

            /// The name that caches and status files carry.
            pub fn name(self) -> &'static str {
                match self { $(Flag::$variant => $name,)+ }
            }

            /// The flag of a name.
            pub fn parse(name: &str) -> Option<Flag> {
                match name { $($name => Some(Flag::$variant),)+ _ => None }
            }
        }
    };
}

flags! {
        Kvm = 12 "kvm", Sdl = 26 "sdl", Spice = 44 "spice", HdaDuplex = 48 "hda-duplex",
        CcidEmulated = 52 "ccid-emulated", CcidPassthru = 53 "ccid-passthru",
        Piix3UsbUhci = 64 "piix3-usb-uhci", Piix4UsbUhci = 65 "piix4-usb-uhci",
        UsbEhci = 66 "usb-ehci", Ich9UsbEhci1 = 67 "ich9-usb-ehci1",
        Vt82c686bUsbUhci = 68 "vt82c686b-usb-uhci", PciOhci = 69 "pci-ohci", UsbRedir = 70 "usb-redir",
        UsbHub = 71 "usb-hub", Ich9Ahci = 75 "ich9-ahci", VirtioBlkPciScsi = 78 "virtio-blk-pci.scsi",
        ScsiDiskChannel = 85 "scsi-disk.channel", ScsiBlock = 86 "scsi-block",
        HdaMicro = 93 "hda-micro", NecUsbXhci = 95 "nec-usb-xhci", Lsi = 99 "lsi",
        VirtioScsiPci = 100 "virtio-scsi-pci", UsbRedirFilter = 104 "usb-redir.filter",
        SeccompSandbox = 107 "seccomp-sandbox", Vnc = 112 "vnc", Qxl = 117 "qxl", VGA = 118 "VGA",
        CirrusVga = 119 "cirrus-vga", VmwareSvga = 120 "vmware-svga", S390Sclp = 122 "s390-sclp",
        UsbSerial = 123 "usb-serial", VirtioRng = 127 "virtio-rng", RngRandom = 128 "rng-random",
        RngEgd = 129 "rng-egd", VirtioCcw = 130 "virtio-ccw", Megasas = 132 "megasas",
        TpmPassthrough = 136 "tpm-passthrough", TpmTis = 137 "tpm-tis", Nvram = 138 "nvram",
        PciBridge = 139 "pci-bridge", VfioPci = 140 "vfio-pci",
        DmiToPciBridge = 150 "dmi-to-pci-bridge", UsbStorage = 153 "usb-storage",
        VirtioMmio = 155 "virtio-mmio", Ich9IntelHda = 156 "ich9-intel-hda",
        KvmPitLostTickPolicy = 157 "kvm-pit-lost-tick-policy", Pvpanic = 159 "pvpanic",
        UsbKbd = 163 "usb-kbd", UsbAudio = 171 "usb-audio",
        RtcResetReinjection = 172 "rtc-reset-reinjection", MigrateRdma = 175 "migrate-rdma",
        VGAVgamemMb = 178 "VGA.vgamem_mb", VmwareSvgaVgamemMb = 179 "vmware-svga.vgamem_mb",
        QxlVgamemMb = 180 "qxl.vgamem_mb", PcDimm = 182 "pc-dimm",
        MachineVmportOpt = 183 "machine-vmport-opt", PciSerial = 186 "pci-serial",
        Ioh3420 = 191 "ioh3420", X3130Upstream = 192 "x3130-upstream",
        Xio3130Downstream = 193 "xio3130-downstream", Rtl8139 = 194 "rtl8139", E1000 = 195 "e1000",
        VirtioNet = 196 "virtio-net", VirtioGpu = 199 "virtio-gpu",
        VirtioGpuVirgl = 200 "virtio-gpu.virgl", VirtioKeyboard = 201 "virtio-keyboard",
        VirtioMouse = 202 "virtio-mouse", VirtioTablet = 203 "virtio-tablet",
        VirtioInputHost = 204 "virtio-input-host",
        VirtioBalloonPciDeflateOnOom = 209 "virtio-balloon-pci.deflate-on-oom",
        Mptsas1068 = 210 "mptsas1068", SpiceGl = 211 "spice-gl",
        QxlVram64SizeMb = 212 "qxl.vram64_size_mb", Pxb = 217 "pxb", PxbPcie = 218 "pxb-pcie",
        IntelIommu = 229 "intel-iommu", VirtioVga = 235 "virtio-vga",
        IvshmemPlain = 237 "ivshmem-plain", IvshmemDoorbell = 238 "ivshmem-doorbell",
        VhostScsi = 241 "vhost-scsi", QueryCpuModelExpansion = 243 "query-cpu-model-expansion",
        SpiceRendernode = 245 "spice-rendernode", Nvdimm = 246 "nvdimm",
        PcieRootPort = 247 "pcie-root-port", QueryCpuDefinitions = 248 "query-cpu-definitions",
        QemuXhci = 252 "qemu-xhci", IntelIommuIntremap = 255 "intel-iommu.intremap",
        IntelIommuCachingMode = 256 "intel-iommu.caching-mode", IntelIommuEim = 257 "intel-iommu.eim",
        IntelIommuDeviceIotlb = 258 "intel-iommu.device-iotlb",
        SpaprPciHostBridge = 262 "spapr-pci-host-bridge",
        SpaprPciHostBridgeNumaNode = 263 "spapr-pci-host-bridge.numa_node",
        ChardevReconnect = 266 "chardev-reconnect", Vmcoreinfo = 271 "vmcoreinfo",
        SpaprVty = 272 "spapr-vty", Sclplmconsole = 273 "sclplmconsole", IsaSerial = 277 "isa-serial",
        Pl011 = 278 "pl011", VirtioGpuCcw = 281 "virtio-gpu-ccw",
        VirtioKeyboardCcw = 282 "virtio-keyboard-ccw", VirtioMouseCcw = 283 "virtio-mouse-ccw",
        VirtioTabletCcw = 284 "virtio-tablet-ccw", PciePciBridge = 286 "pcie-pci-bridge",
        NbdTls = 290 "nbd-tls", TpmCrb = 291 "tpm-crb", PrManagerHelper = 292 "pr-manager-helper",
        VfioCcw = 297 "vfio-ccw", ScreendumpDevice = 299 "screendump_device",
        HdaOutput = 300 "hda-output", Vmgenid = 302 "vmgenid", VhostVsock = 303 "vhost-vsock",
        TpmEmulator = 305 "tpm-emulator", Mch = 306 "mch",
        MchExtendedTsegMbytes = 307 "mch.extended-tseg-mbytes", SevGuest = 308 "sev-guest",
        EglHeadless = 312 "egl-headless", VfioAp = 315 "vfio-ap", Zpci = 316 "zpci",
        MemoryBackendMemfd = 317 "memory-backend-memfd",
        MemoryBackendMemfdHugetlb = 318 "memory-backend-memfd.hugetlb",
        EglHeadlessRendernode = 321 "egl-headless.rendernode",
        MemoryBackendFilePmem = 323 "memory-backend-file.pmem", NvdimmUnarmed = 324 "nvdimm.unarmed",
        VirtioPciNonTransitional = 326 "virtio-pci-non-transitional",
        MachineVirtIommu = 329 "machine.virt.iommu", X86MaxCpu = 332 "x86-max-cpu",
        CpuUnavailableFeatures = 333 "cpu-unavailable-features",
        CanonicalCpuFeatures = 334 "canonical-cpu-features", BochsDisplay = 335 "bochs-display",
        MigrationFileDropCache = 336 "migration-file-drop-cache", DbusVmstate = 337 "dbus-vmstate",
        VhostUserGpu = 338 "vhost-user-gpu", VhostUserVga = 339 "vhost-user-vga",
        QueryCpuModelBaseline = 341 "query-cpu-model-baseline",
        QueryCpuModelComparison = 342 "query-cpu-model-comparison", Ramfb = 343 "ramfb",
        ArmMaxCpu = 345 "arm-max-cpu", DriveNvme = 348 "drive-nvme", SmpDies = 349 "smp-dies",
        I8042 = 350 "i8042", RngBuiltin = 351 "rng-builtin", TpmSpapr = 353 "tpm-spapr",
        CpuKvmNoAdjvtime = 354 "cpu.kvm-no-adjvtime", VhostUserFs = 355 "vhost-user-fs",
        FsdevMultidevs = 360 "fsdev.multidevs", PcieRootPortHotplug = 362 "pcie-root-port.hotplug",
        AioIoUring = 363 "aio.io_uring", Tcg = 367 "tcg",
        VirtioBlkPciScsiDefaultDisabled = 368 "virtio-blk-pci.scsi.default.disabled",
        Pvscsi = 369 "pvscsi", CpuMigratable = 370 "cpu.migratable",
        IntelIommuAwBits = 376 "intel-iommu.aw-bits", SpaprTpmProxy = 377 "spapr-tpm-proxy",
        NumaHmat = 378 "numa.hmat", UsbHostHostdevice = 380 "usb-host.hostdevice",
        VirtioBalloonFreePageReporting = 381 "virtio-balloon.free-page-reporting",
        NetdevVhostVdpa = 383 "netdev.vhost-vdpa", Ncr53c90 = 385 "ncr53c90", Dc390 = 386 "dc390",
        Am53c974 = 387 "am53c974", VirtioPmemPci = 388 "virtio-pmem-pci",
        VhostUserFsBootindex = 389 "vhost-user-fs.bootindex", VhostUserBlk = 390 "vhost-user-blk",
        CpuMax = 391 "cpu-max",
        MemoryBackendFileXUseCanonicalPathForRamblockId = 392 "memory-backend-file.x-use-canonical-path-for-ramblock-id",
        VncPowerControl = 395 "vnc-power-control", RotationRate = 399 "rotation-rate",
        AcpiIndex = 401 "acpi-index", InputLinux = 402 "input-linux",
        VirtioGpuGlPci = 403 "virtio-gpu-gl-pci", VirtioVgaGl = 404 "virtio-vga-gl",
        ConfidentialGuestSupport = 405 "confidential-guest-support", S390PvGuest = 407 "s390-pv-guest",
        SetAction = 408 "set-action", VirtioBlkQueueSize = 409 "virtio-blk.queue-size",
        VirtioMemPci = 410 "virtio-mem-pci",
        MemoryBackendFileReserve = 411 "memory-backend-file.reserve",
        Piix4AcpiRootPciHotplug = 412 "piix4.acpi-root-pci-hotplug", NetdevJson = 413 "netdev.json",
        ChardevJson = 414 "chardev.json", QueryDirtyRate = 416 "query-dirty-rate",
        RbdEncryption = 417 "rbd-encryption", SevGuestKernelHashes = 418 "sev-guest-kernel-hashes",
        SevInjectLaunchSecret = 419 "sev-inject-launch-secret",
        DeviceJsonHotplug = 420 "device.json+hotplug", Hvf = 421 "hvf",
        VirtioMemPciPrealloc = 422 "virtio-mem-pci.prealloc", CalcDirtyRate = 423 "calc-dirty-rate",
        DirtyrateParamMode = 424 "dirtyrate-param.mode",
        BlockdevNbdTlsHostname = 425 "blockdev.nbd.tls-hostname",
        MemoryBackendFilePreallocThreads = 426 "memory-backend-file.prealloc-threads",
        VirtioIommuPci = 427 "virtio-iommu-pci",
        VirtioIommuBootBypass = 428 "virtio-iommu.boot-bypass", VirtioNetRss = 429 "virtio-net.rss",
        ChardevQemuVdagent = 430 "chardev.qemu-vdagent", DisplayDbus = 431 "display-dbus",
        IothreadThreadPoolMax = 432 "iothread.thread-pool-max",
        UsbHostGuestResetsAll = 433 "usb-host.guest-resets-all",
        MigrationBlockedReasons = 434 "migration.blocked-reasons", QueryStats = 435 "query-stats",
        QueryStatsSchemas = 436 "query-stats-schemas", SgxEpc = 437 "sgx-epc",
        ThreadContext = 438 "thread-context", ScreenshotFormatPng = 439 "screenshot-format-png",
        MachineHpet = 440 "machine-hpet", NetdevStream = 441 "netdev.stream",
        VirtioCrypto = 442 "virtio-crypto", CryptodevBackendLkcf = 443 "cryptodev-backend-lkcf",
        PvpanicPci = 444 "pvpanic-pci", NetdevStreamReconnect = 445 "netdev.stream.reconnect",
        VirtioGpuBlob = 446 "virtio-gpu.blob", RbdEncryptionLayering = 447 "rbd-encryption-layering",
        RbdEncryptionLuksAny = 448 "rbd-encryption-luks-any",
        Qcow2DiscardNoUnref = 449 "qcow2-discard-no-unref",
        RunWithAsyncTeardown = 450 "run-with.async-teardown",
        VirtioBlkVhostVdpa = 451 "virtio-blk-vhost-vdpa",
        VirtioBlkIothreadMapping = 452 "virtio-blk.iothread-mapping", SmpClusters = 453 "smp-clusters",
        VirtioMemPciDynamicMemslots = 454 "virtio-mem-pci.dynamic-memslots",
        BlockjobBackingMaskProtocol = 455 "blockjob.backing-mask-protocol",
        DisplayReload = 456 "display-reload", UsbMtp = 457 "usb-mtp",
        MachineVirtRas = 458 "machine.virt.ras", VirtioSound = 459 "virtio-sound",
        SevSnpGuest = 460 "sev-snp-guest", NetdevUser = 461 "netdev.user", AcpiErst = 462 "acpi-erst",
        IntelIommuDmaTranslation = 463 "intel-iommu.dma-translation",
        MachineI8042Opt = 464 "machine-i8042-opt",
        ChardevReconnectMiliseconds = 466 "chardev-reconnect-miliseconds",
        VirtioCcwLoadparm = 467 "virtio-ccw.loadparm",
        NetdevStreamReconnectMiliseconds = 468 "netdev-stream-reconnect-miliseconds",
        QueryCpuModelExpansionDeprecatedProps = 469 "query-cpu-model-expansion.deprecated-props",
        MigrateIncomingExitOnError = 470 "migrate-incoming.exit-on-error",
        MachineVirtAia = 471 "machine.virt.aia", VirtioMemCcw = 472 "virtio-mem-ccw",
        BlockdevSetActive = 473 "blockdev-set-active", Shim = 474 "shim",
        VirtioScsiIothreadMapping = 475 "virtio-scsi.iothread-mapping",
}

impl Flag {
    /// Its place in the reference's list.
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Words of the bit set: every flag's number is below 64 times this.
const WORDS: usize = 8;

/// A set of flags.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags([u64; WORDS]);

impl Flags {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    fn place(flag: Flag) -> (usize, u64) {
        let number = usize::from(flag.number());
        (number / 64 % WORDS, 1 << (number % 64))
    }

    /// Whether a flag is in it.
    pub fn has(&self, flag: Flag) -> bool {
        let (word, bit) = Self::place(flag);
        self.0[word] & bit != 0
    }

    /// Adds a flag.
    pub fn insert(&mut self, flag: Flag) {
        let (word, bit) = Self::place(flag);
        self.0[word] |= bit;
    }

    /// Takes a flag out.
    pub fn remove(&mut self, flag: Flag) {
        let (word, bit) = Self::place(flag);
        self.0[word] &= !bit;
    }

    /// The flags in it, in number order.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        Flag::ALL.iter().copied().filter(|flag| self.has(*flag))
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Flags::new();
        flags.into_iter().for_each(|flag| set.insert(flag));
        set
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert!(Flag::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        assert!(Flag::ALL.iter().all(|flag| Flag::parse(flag.name()) == Some(*flag)));
        assert!(Flag::ALL.iter().all(|flag| usize::from(flag.number()) < WORDS * 64));
        assert_eq!(Flag::parse("nonesuch"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set: Flags = [Flag::Kvm, Flag::VirtioScsiIothreadMapping].into_iter().collect();
        assert!(set.has(Flag::Kvm) && !set.has(Flag::Sdl));
        set.remove(Flag::Kvm);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Flag::VirtioScsiIothreadMapping]);
    }
}
