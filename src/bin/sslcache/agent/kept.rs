//! The keys, kept for the agent that goes on after this one. Without them, an agent that is restarted while the store is away would
//! have no key to go on from.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use zeroize::Zeroizing;

use super::copies::Copies;
use super::notify::Manager;
use super::space::Space;

/// Its name at the service manager.
pub const NAME: &str = "keys";

/// The bytes of a copy; room for more than a hundred namespaces.
const COPY: usize = 512 * 1024;

/// Where the keys are kept.
pub struct Kept(Copies);

impl Kept {
    /// Makes it, and gives it to the manager to keep; `None` if there is no manager, or no memory.
    pub fn make(manager: &Manager) -> Option<Self> {
        Copies::make(manager, NAME, COPY).map(Self)
    }

    /// One that the manager has kept, with the keys in it put into the schedules of the namespaces that there are.
    pub fn take_back(
        file: OwnedFd,
        spaces: &mut BTreeMap<String, Space>,
        now: u64,
    ) -> Option<Self> {
        let (copies, body) = Copies::take_back(file, COPY)?;
        if let Some(body) = body {
            restore(&body, spaces, now);
        }
        Some(Self(copies))
    }

    /// Writes the schedules of as many namespaces as there is room for.
    pub fn save(&mut self, spaces: &BTreeMap<String, Space>) -> io::Result<()> {
        let mut body = Zeroizing::new(Vec::with_capacity(self.0.room()));
        for (name, space) in spaces {
            let before = body.len();
            let has_room = body.capacity() - body.len() > 2 + name.len();
            if !has_room {
                break;
            }
            body.extend_from_slice(&(name.len() as u16).to_be_bytes());
            body.extend_from_slice(name.as_bytes());
            if !space.schedule.save(&mut body) {
                body.truncate(before);
                break;
            }
        }
        self.0.write(&body)?;
        // The other copy may have keys that have ended.
        self.0.wipe_other()
    }
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
