//! The news of other hosts: which sessions are no more. The agent writes them into a ring; each process reads on from where it
//! has come to, and learns if it has missed some.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;

use super::layout::{NEWS_AT, NEWS_BYTES, NEWS_MOST, header};
use super::memory::{AgentEnd, Mailbox};
use super::request::{NAME_BYTES, Realm, SessionName};
use crate::sys::checksum::sum_of;
use crate::sys::files::write_at;

/// What has happened on another host.
#[derive(Clone, PartialEq, Eq)]
pub enum News {
    /// A session was removed.
    Removed(SessionName),
    /// A realm was flushed: nothing of it is to be found any more that was there before.
    Flushed(Realm),
    /// Some news were missed: any session may be removed.
    Lost,
}

// Places in one of the news. The checksum is over all before it.
const KIND: usize = 8;
const BODY: usize = 16;
const SUM: usize = NEWS_BYTES - 8;
const _: () = assert!(BODY + NAME_BYTES <= SUM);

const REMOVED: u8 = 1;
const FLUSHED: u8 = 2;
const LOST: u8 = 3;

impl News {
    fn write(&self, number: u64) -> [u8; NEWS_BYTES] {
        let mut bytes = [0; NEWS_BYTES];
        bytes[..KIND].copy_from_slice(&number.to_ne_bytes());
        match self {
            Self::Removed(name) => {
                bytes[KIND] = REMOVED;
                bytes[BODY..][..NAME_BYTES].copy_from_slice(&name.write());
            }
            Self::Flushed(realm) => {
                bytes[KIND] = FLUSHED;
                bytes[BODY..][..32].copy_from_slice(realm);
            }
            Self::Lost => bytes[KIND] = LOST,
        }
        let sum = sum_of(&bytes[..SUM]);
        bytes[SUM..].copy_from_slice(&sum.to_ne_bytes());
        bytes
    }

    /// The news of this number; `None` if others, or none, stand there.
    fn read(bytes: &[u8; NEWS_BYTES], number: u64) -> Option<Self> {
        let is_whole = bytes[SUM..] == sum_of(&bytes[..SUM]).to_ne_bytes()
            && bytes[..KIND] == number.to_ne_bytes();
        let body = &bytes[BODY..].split_first_chunk::<NAME_BYTES>()?.0;
        match bytes[KIND] {
            _ if !is_whole => None,
            REMOVED => SessionName::read(body).map(Self::Removed),
            FLUSHED => Some(Self::Flushed(*body.first_chunk()?)),
            LOST => Some(Self::Lost),
            _ => None,
        }
    }
}

fn place_of(number: u64) -> usize {
    NEWS_AT + (number % NEWS_MOST as u64) as usize * NEWS_BYTES
}

impl AgentEnd {
    /// Tells the processes. Only the agent calls this, one call at a time.
    pub fn tell_news(&self, latest: u64, news: &News) {
        let number = latest.wrapping_add(1);
        write_at(&self.file(), place_of(number), &news.write(number));
        write_at(&self.file(), header::NEWS, &number.to_ne_bytes());
    }

    /// The number of the latest news, to go on from.
    pub fn latest_news(&self) -> u64 {
        let mut bytes = [0; 8];
        // SAFETY: `bytes` is a place of 8 bytes.
        unsafe {
            libc::pread(
                std::os::fd::AsRawFd::as_raw_fd(&self.file()),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                header::NEWS as libc::off_t,
            )
        };
        u64::from_ne_bytes(bytes)
    }
}

impl Mailbox {
    /// The number of the latest news.
    pub fn latest_news(&self) -> u64 {
        // Acquire: the news are seen with their number.
        self.memory.u64(header::NEWS).load(Acquire)
    }

    /// The number of the last news that the processes of the tree have applied to what they share.
    pub fn applied_news(&self) -> u64 {
        // Acquire: what was applied is seen with the number.
        self.memory.u64(header::APPLIED).load(Acquire)
    }

    /// Notes that the news up to this number are applied.
    pub fn note_applied(&self, number: u64) {
        // Release: pairs with the Acquire in `applied_news`.
        self.memory.u64(header::APPLIED).store(number, Release);
    }

    /// Gives the news since those of the number `seen` to `each`, and brings `seen` up to date.
    pub fn news(&self, seen: &mut u64, mut each: impl FnMut(News)) {
        let latest = self.latest_news();
        let missed = latest.wrapping_sub(*seen);
        if missed > NEWS_MOST as u64 {
            each(News::Lost);
        } else {
            for number in 1..=missed {
                each(
                    self.read_news(seen.wrapping_add(number))
                        .unwrap_or(News::Lost),
                );
            }
        }
        *seen = latest;
    }

    fn read_news(&self, number: u64) -> Option<News> {
        let mut bytes = [0; NEWS_BYTES];
        let words = bytes.as_chunks_mut::<8>().0.iter_mut();
        for (at, word) in words.enumerate() {
            let place = place_of(number) + 8 * at;
            *word = self.memory.u64(place).load(Relaxed).to_ne_bytes();
        }
        fence(Acquire);
        News::read(&bytes, number)
    }
}
