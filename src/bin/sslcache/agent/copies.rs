//! What is kept for the agent that goes on after this one: bytes in a memfd that the service manager holds, as it does mailboxes.
//! The manager and root are the only others that can read it, and they can read this process as well.
//!
//! There are two copies, and the one that is not valid is written, so that an agent may end at any moment.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::notify::Manager;

const MAGIC: &[u8; 8] = b"sslckey1";
/// Before the body: the magic, the number of the copy, the length of the body, a digest of all that and the body.
const HEAD: usize = 8 + 8 + 8 + 32;

/// The memfd.
pub struct Copies {
    file: File,
    /// The bytes of a copy.
    size: usize,
    number: u64,
}

impl Copies {
    /// Makes it, and gives it to the manager to keep under this name; `None` if there is no manager, or no memory.
    pub fn make(manager: &Manager, name: &str, size: usize) -> Option<Self> {
        if !manager.is_there() {
            return None;
        }
        // SAFETY: the name is a C string.
        let file = unsafe { libc::memfd_create(c"sslcache-kept".as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return None;
        }
        // SAFETY: `file` was made above and has no other owner.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(file) });
        file.set_len(2 * size as u64).ok()?;
        manager.keep(name, file.as_fd());
        Some(Self {
            file,
            size,
            number: 0,
        })
    }

    /// One that the manager has kept, with what was written last.
    pub fn take_back(file: OwnedFd, size: usize) -> Option<(Self, Option<Zeroizing<Vec<u8>>>)> {
        let mut copies = Self {
            file: File::from(file),
            size,
            number: 0,
        };
        if copies.file.metadata().ok()?.len() != 2 * size as u64 {
            return None;
        }
        let both = [copies.read(0), copies.read(1)];
        let newest = both.into_iter().flatten().max_by_key(|(number, _)| *number);
        let body = newest.map(|(number, body)| {
            copies.number = number;
            body
        });
        Some((copies, body))
    }

    /// The longest body.
    pub fn room(&self) -> usize {
        self.size - HEAD
    }

    /// Writes a body, which is at most as long as there is room for.
    pub fn write(&mut self, body: &[u8]) -> io::Result<()> {
        self.number += 1;
        let mut copy = Zeroizing::new(Vec::with_capacity(HEAD + body.len()));
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&self.number.to_be_bytes());
        copy.extend_from_slice(&(body.len() as u64).to_be_bytes());
        let sum = sum_of(&copy, body);
        copy.extend_from_slice(&sum);
        copy.extend_from_slice(body);
        self.file.write_all_at(&copy, self.place(self.number))
    }

    /// Wipes the copy that was written before the last one.
    pub fn wipe_other(&self) -> io::Result<()> {
        let none = vec![0; self.size];
        self.file.write_all_at(&none, self.place(!self.number))
    }

    fn place(&self, number: u64) -> u64 {
        (number & 1) * self.size as u64
    }

    /// The number and the body of a copy, if it is whole.
    fn read(&self, which: u64) -> Option<(u64, Zeroizing<Vec<u8>>)> {
        let mut copy = Zeroizing::new(vec![0; self.size]);
        self.file.read_exact_at(&mut copy, self.place(which)).ok()?;
        let number = u64::from_be_bytes(copy[8..16].try_into().ok()?);
        let length = usize::try_from(u64::from_be_bytes(copy[16..24].try_into().ok()?)).ok()?;
        let (head, body) = copy.get(..HEAD.checked_add(length)?)?.split_at(HEAD);
        let is_whole = head.starts_with(MAGIC) && sum_of(&head[..24], body) == head[24..];
        is_whole.then(|| (number, Zeroizing::new(body.to_vec())))
    }
}

/// The digest of a copy, whose head is given without it.
fn sum_of(head: &[u8], body: &[u8]) -> [u8; 32] {
    let both = [digest(&SHA256, head), digest(&SHA256, body)];
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, &both.map(|one| one.as_ref().to_vec()).concat()).as_ref());
    sum
}
