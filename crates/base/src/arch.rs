//! Guest and host architectures.

crate::words! {
    /// An architecture, by the name libvirt gives it.
    pub Arch {
        Alpha = "alpha", Armv6l = "armv6l", Armv7l = "armv7l", Armv7b = "armv7b",
        Aarch64 = "aarch64", Cris = "cris", I686 = "i686", Ia64 = "ia64", Lm32 = "lm32",
        Loongarch64 = "loongarch64", M68k = "m68k", Microblaze = "microblaze",
        Microblazeel = "microblazeel", Mips = "mips", Mipsel = "mipsel", Mips64 = "mips64",
        Mips64el = "mips64el", Or32 = "or32", Parisc = "parisc", Parisc64 = "parisc64",
        Ppc = "ppc", Ppcle = "ppcle", Ppc64 = "ppc64", Ppc64le = "ppc64le", Ppcemb = "ppcemb",
        Riscv32 = "riscv32", Riscv64 = "riscv64", S390 = "s390", S390x = "s390x", Sh4 = "sh4",
        Sh4eb = "sh4eb", Sparc = "sparc", Sparc64 = "sparc64", Unicore32 = "unicore32",
        X86_64 = "x86_64", Xtensa = "xtensa", Xtensaeb = "xtensaeb"
    }
}

impl Arch {
    /// Word size in bits.
    pub fn bits(self) -> u32 {
        use Arch::*;
        match self {
            Alpha | Aarch64 | Ia64 | Loongarch64 | Mips64 | Mips64el | Parisc64 | Ppc64 | Ppc64le
            | Riscv64 | S390x | Sparc64 | X86_64 => 64,
            _ => 32,
        }
    }

    /// Whether the least significant byte comes first.
    pub fn is_little_endian(self) -> bool {
        use Arch::*;
        matches!(
            self,
            Alpha
                | Armv6l
                | Armv7l
                | Aarch64
                | Cris
                | I686
                | Ia64
                | Loongarch64
                | Microblazeel
                | Mipsel
                | Mips64el
                | Ppcle
                | Ppc64le
                | Riscv32
                | Riscv64
                | Sh4
                | Unicore32
                | X86_64
                | Xtensa
        )
    }

    /// i686 or x86_64.
    pub fn is_x86(self) -> bool {
        matches!(self, Arch::I686 | Arch::X86_64)
    }

    /// Any 32- or 64-bit Arm.
    pub fn is_arm(self) -> bool {
        matches!(self, Arch::Armv6l | Arch::Armv7l | Arch::Armv7b | Arch::Aarch64)
    }

    /// Any PowerPC.
    pub fn is_ppc(self) -> bool {
        matches!(self, Arch::Ppc | Arch::Ppcle | Arch::Ppcemb) || self.is_ppc64()
    }

    /// 64-bit PowerPC of either byte order.
    pub fn is_ppc64(self) -> bool {
        matches!(self, Arch::Ppc64 | Arch::Ppc64le)
    }

    /// s390 or s390x.
    pub fn is_s390(self) -> bool {
        matches!(self, Arch::S390 | Arch::S390x)
    }

    /// riscv32 or riscv64.
    pub fn is_riscv(self) -> bool {
        matches!(self, Arch::Riscv32 | Arch::Riscv64)
    }

    /// loongarch64.
    pub fn is_loongarch(self) -> bool {
        self == Arch::Loongarch64
    }

    /// Any MIPS.
    pub fn is_mips(self) -> bool {
        matches!(self, Arch::Mips | Arch::Mipsel | Arch::Mips64 | Arch::Mips64el)
    }

    /// The name QEMU gives the target: the suffix of `qemu-system-…`.
    pub fn qemu_name(self) -> &'static str {
        use crate::Word;
        match self {
            Arch::I686 => "i386",
            Arch::Armv6l | Arch::Armv7l => "arm",
            Arch::Or32 => "or1k",
            other => other.as_str(),
        }
    }

    /// The architecture of a QEMU target name.
    pub fn from_qemu_name(name: &str) -> Option<Self> {
        use crate::Word;
        match name {
            "i386" => Some(Arch::I686),
            "arm" => Some(Arch::Armv7l),
            "or1k" => Some(Arch::Or32),
            other => Arch::parse(other),
        }
    }
}
