//! The only place that may use `unsafe`: what the safe libraries do not offer.
//!
//! Each function here is safe to call with any argument; each block says why.
#![expect(unsafe_code, reason = "these system interfaces have no safe form; see each block")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that can be waited for until it is readable, without a thread. Cannot be read from.
#[derive(Debug)]
pub struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    /// Registers a descriptor. Fails for one that cannot be waited for (a regular file). Needs a
    /// running tokio.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open and names the same description until it is dropped, and this
        // type never
        // hands it out for exchange.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        registered.map(Readable).map_err(|error| error.into_parts().1)
    }

    /// Waits until it is readable; stays so for everybody who waits.
    pub async fn ready(&self) -> io::Result<()> {
        self.0.readable().await?.retain_ready();
        Ok(())
    }
}

/// A pseudo terminal's end, read and written without a thread.
#[derive(Debug)]
pub struct Terminal(AsyncFd<OwnedFd>);

impl Terminal {
    /// Registers a terminal that was opened without blocking. Needs a running tokio.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: as for `Readable`: the descriptor is open, and never handed out for exchange.
        let registered =
            unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE | Interest::WRITABLE) };
        registered.map(Terminal).map_err(|error| error.into_parts().1)
    }

    /// Waits until there is something, and reads it; 0 bytes at the end.
    pub async fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.0.async_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut *space)?)).await;
        match read {
            // The other end of a terminal is gone: that is its way to say so.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(0),
            other => other,
        }
    }

    /// Waits until there is room, and writes; how many bytes were taken.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?)).await
    }
}

/// Keeps every descriptor but the standard ones to this process when it starts another. One system
/// call. Kernels
/// before 5.11 do not have it: the launcher refuses what got through.
pub(crate) fn keep_descriptors() {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: takes no pointers, and the flag only sets close-on-exec: no descriptor is closed or
    // changes its meaning
    // in this process.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, flags) };
    if result != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "cannot set close-on-exec on all descriptors");
    }
}

/// What the kernel's virtual machines are asked. None of it takes or gives memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KvmQuestion {
    /// Of the system: what it says to this capability.
    Extension(i32),
    /// Of a CPU: the frequency of its counter in kHz.
    TscKhz,
}

fn kvm(fd: impl AsFd, request: libc::Ioctl, argument: libc::c_long) -> io::Result<libc::c_int> {
    // SAFETY: every request of this module takes a number; the kernel reads and writes no memory
    // of this process for them, whatever kind of file the descriptor names.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Asks the kernel's virtual machines a number.
pub(crate) fn kvm_ask(fd: impl AsFd, question: KvmQuestion) -> io::Result<u32> {
    let (request, argument) = match question {
        KvmQuestion::Extension(number) => (0xae03, number.into()),
        KvmQuestion::TscKhz => (0xaea3, 0),
    };
    kvm(fd, request, argument).map(|number| number.unsigned_abs())
}

/// Makes an empty virtual machine of the system, or a CPU of a machine, which goes when the descriptor
/// is dropped. It never runs.
pub(crate) fn kvm_make(above: impl AsFd, cpu: bool) -> io::Result<OwnedFd> {
    let number = kvm(above, if cpu { 0xae41 } else { 0xae01 }, 0)?;
    // SAFETY: on success the kernel has just opened this descriptor for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes an open `/dev/net/tun` the descriptor of a tap with this name (shorter than 16 bytes), which is
/// made if it is not there: whole Ethernet frames, each with the header for offloads.
pub(crate) fn attach_tap(file: &std::fs::File, name: &str, multi_queue: bool) -> io::Result<()> {
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    let flags = if multi_queue { flags | libc::IFF_MULTI_QUEUE } else { flags };
    let mut request = [0_u8; 40];
    let (bytes, rest) = request.split_at_mut(libc::IFNAMSIZ);
    let room = bytes.get_mut(..name.len()).filter(|_| name.len() < libc::IFNAMSIZ);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    if let (Some(place), Ok(flags)) = (rest.first_chunk_mut::<2>(), u16::try_from(flags)) {
        *place = flags.to_ne_bytes();
    }
    // SAFETY: the request is a `struct ifreq` (name, then the flags) and as long as one; the kernel
    // reads and writes it during the call only.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the kernel is told of a program; the fields that are needed here.
#[repr(C)]
#[derive(Default)]
struct LoadProgram {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    version: u32,
    flags: u32,
}

/// What the kernel is told of where a program goes.
#[repr(C)]
struct AttachProgram {
    group: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Loads a program that decides about devices of control groups. The kernel checks every instruction.
pub(crate) fn load_device_filter(program: &[u64]) -> io::Result<OwnedFd> {
    const LOAD: libc::c_int = 5;
    const CGROUP_DEVICE: u32 = 15;
    let license = c"GPL";
    let order = LoadProgram {
        kind: CGROUP_DEVICE,
        count: u32::try_from(program.len()).unwrap_or(u32::MAX),
        instructions: program.as_ptr().addr() as u64,
        license: license.as_ptr().addr() as u64,
        ..LoadProgram::default()
    };
    // SAFETY: the structure and the two ranges that it points to (`count` instructions of eight bytes, a
    // text that ends with a zero) are alive and only read during the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, LOAD, &raw const order, std::mem::size_of::<LoadProgram>()) };
    let number = libc::c_int::try_from(result).unwrap_or(-1);
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: on success the kernel has just opened this descriptor for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Puts such a program in charge of a group, in place of the one before.
pub(crate) fn attach_device_filter(group: impl AsFd, program: impl AsFd) -> io::Result<()> {
    const ATTACH: libc::c_int = 8;
    const DEVICES: u32 = 6;
    let order = AttachProgram {
        group: group.as_fd().as_raw_fd().cast_unsigned(),
        program: program.as_fd().as_raw_fd().cast_unsigned(),
        kind: DEVICES,
        flags: 0,
    };
    // SAFETY: the structure is alive and only read during the call; it points to nothing.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, ATTACH, &raw const order, std::mem::size_of::<AttachProgram>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

    #[test]
    fn no_descriptor_is_left_to_a_child() {
        let null = std::fs::File::open("/dev/null").unwrap();
        fcntl_setfd(&null, FdFlags::empty()).unwrap();
        keep_descriptors();
        assert_eq!(fcntl_getfd(&null).unwrap(), FdFlags::CLOEXEC);
    }
}
