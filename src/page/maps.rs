//! What /proc tells of a process: when it began, and which files it has mapped. All but [`status_of`] read it without allocating,
//! because the child of a process with threads asks.

use core::ffi::CStr;
use std::fs;
use std::io::{self, Write};

use crate::sys::files::read_beginning;
use crate::sys::memory_map;

/// A mapped file.
pub struct Mapped<'a> {
    /// The range of addresses, as the kernel writes it.
    pub range: &'a [u8],
    /// The device of the file, as the kernel writes it.
    pub device: &'a [u8],
    /// Its inode.
    pub inode: u64,
    /// Its path, in the process's root unless it was mapped before a chroot.
    pub path: &'a [u8],
    /// True if its name was removed.
    pub is_deleted: bool,
}

impl<'a> Mapped<'a> {
    /// Parses a line of /proc/PID/maps: range, rights, offset, device, inode, path.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let at = line.iter().position(|&byte| byte == b'/')?;
        let (fields, path) = line.split_at(at);
        let mut fields = fields
            .split(|&byte| byte == b' ')
            .filter(|field| !field.is_empty());
        let range = fields.next()?;
        let device = fields.nth(2)?;
        let inode = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let kept = path.strip_suffix(b" (deleted)");
        Some(Self {
            range,
            device,
            inode,
            path: kept.unwrap_or(path),
            is_deleted: kept.is_some(),
        })
    }

    /// The name of the file without its folder.
    pub fn name(&self) -> &'a [u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or(b"")
    }
}

/// What /proc/PID/stat tells.
pub struct About {
    /// When the process began, in ticks since the boot.
    pub began: u64,
    /// Its threads, and its first one even if that has ended.
    pub threads: u64,
}

/// What /proc tells of the process with this id.
pub fn about(pid: u32) -> Option<About> {
    let mut buffer = [0; 512];
    let text = read(pid, "stat", &mut buffer);
    // The name, in parentheses, may contain blanks and parentheses, and bytes of any encoding.
    let end = text.iter().rposition(|&byte| byte == b')')?;
    let after_name = std::str::from_utf8(&text[end + 1..]).ok()?;
    let mut fields = after_name.split_ascii_whitespace();
    Some(About {
        threads: fields.nth(17)?.parse().ok()?,
        began: fields.nth(1)?.parse().ok()?,
    })
}

/// The words of a field of /proc/PID/status; none if it cannot be read.
pub fn status_of(pid: u32, field: &str) -> Vec<String> {
    let status = fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let words = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let words = words.unwrap_or_default().split_whitespace();
    words.map(str::to_owned).collect()
}

/// This process's own id as /proc has it.
pub fn our_number() -> Option<u32> {
    let mut buffer = [0; 64];
    let read = read_beginning(c"/proc/self/stat", &mut buffer);
    let text = std::str::from_utf8(&buffer[..read]).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Whether the process has a file of this name mapped; `None` if that cannot be told. Inodes are not compared, as on some
/// file systems a map has others than stat(2).
pub fn maps(pid: u32, name: &[u8], about: &About) -> Option<bool> {
    let mut is_empty = true;
    let found = each_line(pid, |line| {
        is_empty = false;
        Mapped::parse(line)
            .filter(|file| file.name() == name)
            .map(|_| ())
    });
    match found {
        Ok(Some(())) => Some(true),
        Ok(None) if !is_empty => Some(false),
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => None,
        // It has ended and waits for its parent; or only its first thread has, and the memory is that of the others.
        _ => (about.threads <= 1).then_some(false),
    }
}

/// Calls `look` with each mapped file of a process until it returns something.
pub fn each_file<T>(
    pid: u32,
    mut look: impl FnMut(Mapped<'_>) -> Option<T>,
) -> io::Result<Option<T>> {
    each_line(pid, |line| Mapped::parse(line).and_then(&mut look))
}

/// Calls `look` with the lines of a process's memory map until it returns something.
fn each_line<T>(pid: u32, look: impl FnMut(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let mut path = [0; PATH_MOST];
    memory_map::each_line(path_of(pid, "maps", &mut path), look)
}

/// The length of the longest path that [`path_of`] makes.
const PATH_MOST: usize = 48;

fn path_of<'a>(pid: u32, file: &str, buffer: &'a mut [u8; PATH_MOST]) -> &'a CStr {
    let mut rest = &mut buffer[..PATH_MOST - 1];
    // The buffer has room for every id and the files that are asked for.
    let _ = write!(rest, "/proc/{pid}/{file}");
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}

/// The beginning of a file of a process.
fn read<'a>(pid: u32, file: &str, buffer: &'a mut [u8]) -> &'a [u8] {
    let mut path = [0; PATH_MOST];
    let read = read_beginning(path_of(pid, file, &mut path), buffer);
    &buffer[..read]
}
