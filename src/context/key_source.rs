//! Whose keys a context's stateless tickets are made with, and why not the shared ones.

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Whose keys a ticket was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum KeySource {
    /// No ticket was made by this library: libssl makes them, with the context's own keys.
    Untold,
    /// The keys of all processes.
    Shared,
    /// The context's own, because the setting does not ask for shared ones.
    Setting,
    /// The program's: it has set keys or a callback, or has read the context's keys to give them to others.
    Program,
    /// The context's own, because clients are asked for certificates and the group has no name.
    Certificates,
    /// The context's own, because an attribute of the connection cannot be told.
    Untellable,
    /// The context's own, because there is no memory that processes share.
    NoMemory,
    /// The context's own, because the shared ones could not be reached or derived.
    Failed,
    /// The keys of all hosts of the fleet.
    Fleet,
}

impl KeySource {
    /// Each source by its number.
    const ALL: [Self; 9] = [
        Self::Untold,
        Self::Shared,
        Self::Setting,
        Self::Program,
        Self::Certificates,
        Self::Untellable,
        Self::NoMemory,
        Self::Failed,
        Self::Fleet,
    ];

    /// The source with this number, which another process may have written; `None` if there is no such source.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Why the keys are those of one context; `None` if they are not, or if that is not known.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Untold | Self::Shared | Self::Fleet => return None,
            Self::Setting => "ticket_keys is own",
            Self::Program => "the program has set ticket keys or a callback of its own",
            Self::Certificates => "clients are asked for certificates, and the group has no name",
            Self::Untellable => "an attribute of its connections cannot be told",
            Self::NoMemory => "there is no memory that processes share",
            Self::Failed => "the shared keys could not be reached",
        })
    }
}

/// The source of a context's last ticket.
#[derive(Default)]
pub struct LastSource(AtomicU8);

impl LastSource {
    /// Notes the source of a ticket that is being made.
    pub fn note(&self, source: KeySource) {
        // Relaxed: the number is only shown.
        if self.0.load(Relaxed) != source as u8 {
            self.0.store(source as u8, Relaxed);
        }
    }

    /// The source of the last ticket.
    pub fn get(&self) -> KeySource {
        KeySource::of(self.0.load(Relaxed)).unwrap_or(KeySource::Untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_stand_by_their_numbers() {
        for (number, source) in KeySource::ALL.iter().enumerate() {
            assert_eq!(*source as usize, number);
            assert_eq!(KeySource::of(number as u8), Some(*source));
        }
        assert_eq!(KeySource::of(KeySource::ALL.len() as u8), None);
    }
}
