//! The bytes of a volume, for streams to and from clients.
//!
//! Owns: which part of the file a stream is about, and where it has holes. Never: knows a stream.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use ostler_base::{Error, Result};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::failed;
use super::volumes::path_of;
use crate::pools::Volume;

/// How many bytes are copied at once.
const CHUNK: usize = 1 << 20;

/// A part of a volume that is open.
#[derive(Debug)]
pub struct Contents {
    file: File,
    path: String,
    at: u64,
    end: Option<u64>,
}

/// A piece of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes that are there.
    Data(u64),
    /// So many bytes of nothing.
    Hole(u64),
    /// Nothing more.
    End,
}

impl Contents {
    /// Opens a volume for reading: `length` bytes from `offset` on, all that is there where it is 0.
    pub fn to_read(volume: &Volume, offset: u64, length: u64) -> Result<Self> {
        let path = path_of(volume)?.to_owned();
        let open = || -> io::Result<(File, u64)> {
            let file = File::open(&path)?;
            let whole = seek(&file, SeekFrom::End(0))?;
            Ok((file, whole))
        };
        let (file, whole) = open().map_err(|error| failed("Unable to open stream for", &path, &error))?;
        let end = if length == 0 { whole } else { offset.saturating_add(length).min(whole) };
        Ok(Contents { file, path, at: offset, end: Some(end) })
    }

    /// Opens a volume for writing: at most `length` bytes from `offset` on, any number where it is 0.
    pub fn to_write(volume: &Volume, offset: u64, length: u64) -> Result<Self> {
        let path = path_of(volume)?.to_owned();
        let file = OpenOptions::new().write(true).open(&path);
        let file = file.map_err(|error| failed("Unable to open stream for", &path, &error))?;
        let end = if length == 0 { None } else { Some(offset.saturating_add(length)) };
        Ok(Contents { file, path, at: offset, end })
    }

    fn fault(&self, what: &str, error: &io::Error) -> Error {
        failed(what, &self.path, error)
    }

    /// What comes next; without `holes`, nothing is told of them.
    pub fn piece(&self, holes: bool) -> Result<Piece> {
        let end = self.end.unwrap_or(u64::MAX);
        let left = end.saturating_sub(self.at);
        if left == 0 {
            return Ok(Piece::End);
        }
        if !holes {
            return Ok(Piece::Data(left));
        }
        let fault = |error: Errno| self.fault("cannot look for holes in", &error.into());
        match seek(&self.file, SeekFrom::Data(self.at)) {
            Ok(data) if data <= self.at => {
                let hole = seek(&self.file, SeekFrom::Hole(self.at)).map_err(fault)?;
                Ok(Piece::Data(hole.min(end).saturating_sub(self.at)))
            }
            Ok(data) => Ok(Piece::Hole(data.min(end).saturating_sub(self.at))),
            Err(Errno::NXIO) => Ok(Piece::Hole(left)),
            Err(Errno::INVAL) => Ok(Piece::Data(left)),
            Err(error) => Err(fault(error)),
        }
    }

    /// Reads at most `most` bytes of what comes next.
    pub fn read(&mut self, most: usize) -> Result<Vec<u8>> {
        let left = self.end.unwrap_or(u64::MAX).saturating_sub(self.at);
        let mut bytes = vec![0; most.min(usize::try_from(left).unwrap_or(usize::MAX))];
        let length =
            self.file.read_at(&mut bytes, self.at).map_err(|error| self.fault("cannot read", &error))?;
        bytes.truncate(length);
        self.at = self.at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(bytes)
    }

    /// Passes over so many bytes.
    pub fn skip(&mut self, length: u64) {
        self.at = self.at.saturating_add(length);
    }

    /// Writes what comes next.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let after = self.at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.end.is_some_and(|end| after > end) {
            let error = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
            return Err(self.fault("cannot write", &error));
        }
        self.file.write_all_at(bytes, self.at).map_err(|error| self.fault("cannot write", &error))?;
        self.at = after;
        Ok(())
    }

    /// Leaves a hole of so many bytes; a file that ends there gets longer.
    pub fn write_hole(&mut self, length: u64) -> Result<()> {
        let after = self.at.saturating_add(length);
        let punch = || -> io::Result<()> {
            let about = self.file.metadata()?;
            if !about.is_file() {
                return Ok(());
            }
            if after > about.len() {
                self.file.set_len(after)?;
            }
            let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&self.file, flags, self.at, length) {
                Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        punch().map_err(|error| self.fault("cannot make a hole in", &error))?;
        self.at = after;
        Ok(())
    }

    /// What was written is on the disk.
    pub fn finish(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.fault("cannot fsync", &error))
    }
}

/// Copies a file; its holes stay holes.
pub(super) fn copy_sparse(source: &File, target: &mut File) -> io::Result<()> {
    let length = source.metadata()?.len();
    let mut at = 0;
    let mut bytes = vec![0; CHUNK];
    while at < length {
        at = match seek(source, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) => at,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(source, SeekFrom::Hole(at)).unwrap_or(length);
        while at < hole {
            let part = usize::try_from(hole.saturating_sub(at)).unwrap_or(CHUNK).min(CHUNK);
            let Some(room) = bytes.get_mut(..part) else { break };
            let got = source.read_at(room, at)?;
            if got == 0 {
                return Ok(());
            }
            target.write_all_at(room.get(..got).unwrap_or_default(), at)?;
            at = at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        }
    }
    Ok(())
}
