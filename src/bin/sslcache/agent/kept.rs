//! The keys, kept for the agent that goes on after this one: in a memfd that the service manager holds, as it does mailboxes.
//! Without it, an agent that is restarted while the store is away would have no key to go on from.
//!
//! The manager and root are the only others that can read it, and they can read this process as well. There are two copies, and
//! the one that is not valid is written, so that an agent may end at any moment.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::notify::Manager;
use super::space::Space;

/// Its name at the service manager.
pub const NAME: &str = "keys";

/// The bytes of a copy; room for more than a hundred namespaces.
const COPY: usize = 512 * 1024;
const MAGIC: &[u8; 8] = b"sslckey1";
/// Before the body: the magic, the number of the copy, the length of the body, a digest of all that and the body.
const HEAD: usize = 8 + 8 + 8 + 32;

/// The memfd.
pub struct Kept {
    file: File,
    number: u64,
}

impl Kept {
    /// Makes it, and gives it to the manager to keep; `None` if there is no manager, or no memory.
    pub fn make(manager: &Manager) -> Option<Self> {
        if !manager.is_there() {
            return None;
        }
        // SAFETY: the name is a C string.
        let file = unsafe { libc::memfd_create(c"sslcache-keys".as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return None;
        }
        // SAFETY: `file` was made above and has no other owner.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(file) });
        file.set_len(2 * COPY as u64).ok()?;
        manager.keep(NAME, file.as_fd());
        Some(Self { file, number: 0 })
    }

    /// One that the manager has kept, with the keys in it put into the schedules of the namespaces that there are.
    pub fn take_back(
        file: OwnedFd,
        spaces: &mut BTreeMap<String, Space>,
        now: u64,
    ) -> Option<Self> {
        let file = File::from(file);
        if file.metadata().ok()?.len() != 2 * COPY as u64 {
            return None;
        }
        let copies = [copy_of(&file, 0), copy_of(&file, 1)];
        let newest = copies
            .into_iter()
            .flatten()
            .max_by_key(|(number, _)| *number);
        let mut number = 0;
        if let Some((of_copy, body)) = newest {
            number = of_copy;
            restore(&body, spaces, now);
        }
        Some(Self { file, number })
    }

    /// Writes the schedules of as many namespaces as there is room for.
    pub fn save(&mut self, spaces: &BTreeMap<String, Space>) -> io::Result<()> {
        let mut copy = Zeroizing::new(Vec::with_capacity(COPY));
        copy.resize(HEAD, 0);
        for (name, space) in spaces {
            let before = copy.len();
            let has_room = copy.capacity() - copy.len() > 2 + name.len();
            if !has_room {
                break;
            }
            copy.extend_from_slice(&(name.len() as u16).to_be_bytes());
            copy.extend_from_slice(name.as_bytes());
            if !space.schedule.save(&mut copy) {
                copy.truncate(before);
                break;
            }
        }
        self.number += 1;
        let length = copy.len() - HEAD;
        copy[..8].copy_from_slice(MAGIC);
        copy[8..16].copy_from_slice(&self.number.to_be_bytes());
        copy[16..24].copy_from_slice(&(length as u64).to_be_bytes());
        let sum = sum_of(&copy);
        copy[24..HEAD].copy_from_slice(&sum);
        let at = (self.number & 1) * COPY as u64;
        self.file.write_all_at(&copy, at)?;
        // The other copy may have keys that have ended.
        let other = (!self.number & 1) * COPY as u64;
        self.file
            .write_all_at(&Zeroizing::new(vec![0; COPY]), other)
    }
}

/// The digest of a copy, but for the place of the digest.
fn sum_of(copy: &[u8]) -> [u8; 32] {
    let (head, body) = copy.split_at(HEAD);
    let of_head = digest(&SHA256, &head[..24]);
    let of_body = digest(&SHA256, body);
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, &[of_head.as_ref(), of_body.as_ref()].concat()).as_ref());
    sum
}

/// The number and the body of a copy, if it is whole.
fn copy_of(file: &File, which: u64) -> Option<(u64, Zeroizing<Vec<u8>>)> {
    let mut copy = Zeroizing::new(vec![0; COPY]);
    file.read_exact_at(&mut copy, which * COPY as u64).ok()?;
    let number = u64::from_be_bytes(copy[8..16].try_into().ok()?);
    let length = usize::try_from(u64::from_be_bytes(copy[16..24].try_into().ok()?)).ok()?;
    let whole = copy.get(..HEAD.checked_add(length)?)?;
    let is_whole = whole.starts_with(MAGIC) && sum_of(whole) == whole[24..HEAD];
    is_whole.then(|| (number, Zeroizing::new(whole[HEAD..].to_vec())))
}

fn restore(mut body: &[u8], spaces: &mut BTreeMap<String, Space>, now: u64) -> Option<()> {
    while !body.is_empty() {
        let (length, rest) = body.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let name = str::from_utf8(name).ok()?;
        // That of a namespace that is not there any more is passed over.
        let mut none = Space::new(name, 0);
        let space = spaces.get_mut(name).unwrap_or(&mut none);
        body = space.schedule.restore(rest, now)?;
    }
    Some(())
}
