//! The master keys of a fleet: the same file on each of its hosts. The first key seals, all of them open.
//!
//! A line is a key, `sslc-key-1:` and 32 bytes in base64url; empty lines and those that begin with `#` are left alone. An
//! error names the file, the line, the reason and the remedy, and never a key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::{fmt, process};

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::hkdf::{self, HKDF_SHA256, KeyType};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::secret;
use crate::failure::Failure;
use crate::hexadecimal::hexadecimal;

/// What a key begins with: what it is, and the version of what it is for.
const PREFIX: &str = "sslc-key-1:";
/// The bytes of a master key.
const KEY_BYTES: usize = 32;
/// The bytes by which a sealed value names its master key.
pub const ID_BYTES: usize = 4;

/// A master key of the fleet. Shows its id only.
pub struct MasterKey {
    id: [u8; ID_BYTES],
    secret: Zeroizing<[u8; KEY_BYTES]>,
    /// Names what is in the store.
    names: hmac::Key,
}

impl MasterKey {
    fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut id = [0; ID_BYTES];
        derive(&[], &*secret, b"sslcache key id 1", &mut id);
        let mut names = Zeroizing::new([0; 32]);
        derive(&[], &*secret, b"sslcache names 1", &mut *names);
        Self {
            id,
            names: hmac::Key::new(hmac::HMAC_SHA256, &*names),
            secret,
        }
    }

    /// What sealed values name it by. Derived from it, and tells nothing about it.
    pub fn id(&self) -> [u8; ID_BYTES] {
        self.id
    }

    /// A key for one value: HKDF-SHA256 with `salt`.
    pub fn sealing_key(&self, salt: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        derive(salt, &*self.secret, b"sslcache seal 1", &mut *key);
        key
    }

    /// The key of the HMAC that makes names.
    pub fn names(&self) -> &hmac::Key {
        &self.names
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MasterKey({})", hexadecimal(&self.id))
    }
}

/// HKDF-SHA256, extract and expand, into `out`.
fn derive(salt: &[u8], secret: &[u8], info: &[u8], out: &mut [u8]) {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let extracted = hkdf::Salt::new(HKDF_SHA256, salt).extract(secret);
    extracted
        .expand(&[info], Length(out.len()))
        .and_then(|expanded| expanded.fill(out))
        .expect("HKDF yields up to 255 times 32 bytes");
}

/// The keys of a file, at least one.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<MasterKey>,
}

impl Keyring {
    /// The keys of the file at `path`, or of the systemd credential of this name. Refuses one that others can read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(&secret::read(path)?, path)
    }

    /// The keys in `text`, which is that of the file at `path`.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, Failure> {
        let mut keys: Vec<(usize, MasterKey)> = Vec::new();
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let wrong = |reason: String, remedy: &str| {
                let place = format!("{}: line {}", secret::shown(path), index + 1);
                Err(Failure::new(place, reason, remedy))
            };
            let secret = match key_of(line) {
                Ok(secret) => secret,
                Err(reason) => {
                    return wrong(reason.into(), "make a key with `sslcache agent key new`");
                }
            };
            if let Some((first, _)) = keys.iter().find(|(_, key)| *key.secret == *secret) {
                let reason = format!("is the key of line {first} again");
                return wrong(reason, "remove one of the two");
            }
            keys.push((index + 1, MasterKey::new(secret)));
        }
        if keys.is_empty() {
            return Err(Failure::new(
                secret::shown(path),
                "has no key",
                "put the output of `sslcache agent key new` into it, the same on each host",
            ));
        }
        let keys = keys.into_iter().map(|(_, key)| key).collect();
        Ok(Self { keys })
    }

    /// The key that seals: the first.
    pub fn sealing(&self) -> &MasterKey {
        &self.keys[0]
    }

    /// All keys, the one that seals first.
    pub fn all(&self) -> &[MasterKey] {
        &self.keys
    }
}

/// The key that a line is, or why it is none.
fn key_of(line: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, &'static str> {
    let encoded = line
        .strip_prefix(PREFIX.as_bytes())
        .ok_or("does not begin with sslc-key-1:")?;
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    let decoded = Base64UrlUnpadded::decode(encoded, &mut *secret);
    if !decoded.is_ok_and(|decoded| decoded.len() == KEY_BYTES) {
        return Err("is not 32 bytes in base64url, which are 43 characters without padding");
    }
    if secret.iter().all(|byte| *byte == secret[0]) {
        return Err("is no random key, as its bytes are all the same");
    }
    Ok(secret)
}

/// A line with a new key.
pub fn new_line() -> Result<Zeroizing<String>, Failure> {
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new()
        .fill(&mut *secret)
        .map_err(|_| Failure::new("a new key", "the kernel gives no random bytes", "try again"))?;
    // With the capacity for all of it, as a text that grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(64));
    line.push_str(PREFIX);
    let mut encoded = Zeroizing::new([0; 43]);
    let text = Base64UrlUnpadded::encode(&*secret, &mut *encoded);
    line.push_str(text.expect("43 characters hold 32 bytes"));
    line.push('\n');
    Ok(line)
}

/// Where a key goes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new key becomes the first: at once, for all that is sealed here from now on.
    NewFirst,
    /// A new key becomes the last: it only opens, until all hosts have it.
    NewLast,
    /// The last key becomes the first.
    LastToFirst,
}

/// Puts a new key first in the file at `path`, and keeps the others.
pub fn rotate(path: &Path) -> Result<(), Failure> {
    change(path, Change::NewFirst)
}

/// Changes the file at `path`, which has to be a keyring: whoever reads it meanwhile has the one or the other. Comments
/// stay where they are.
pub fn change(path: &Path, change: Change) -> Result<(), Failure> {
    // What a link names is replaced, and not the link.
    let path = &fs::canonicalize(path).map_err(|error| cannot_change(path, &error))?;
    let old = secret::read(path)?;
    Keyring::parse(&old, path)?;
    let mut lines: Vec<&[u8]> = old.split_inclusive(|&byte| byte == b'\n').collect();
    let is_key = |line: &&[u8]| line.trim_ascii_start().starts_with(PREFIX.as_bytes());
    let first = lines.iter().position(is_key).unwrap_or(0);
    let new = new_line()?;
    match change {
        Change::NewFirst => lines.insert(first, new.as_bytes()),
        Change::NewLast => lines.push(new.as_bytes()),
        Change::LastToFirst => {
            let last = lines.iter().rposition(is_key).unwrap_or(first);
            let moved = lines.remove(last);
            lines.insert(first, moved);
        }
    }
    let mut text = Zeroizing::new(Vec::with_capacity(old.len() + new.len() + lines.len()));
    for line in lines {
        text.extend_from_slice(line);
        // The last line of a file may lack its end.
        if !line.ends_with(b"\n") {
            text.push(b'\n');
        }
    }
    replace(path, &text).map_err(|error| cannot_change(path, &error))
}

/// Writes a new file beside the old one and puts it in its place, with the same owner, once it is on the disk.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let about = fs::metadata(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".new.{}", process::id()));
    let new = folder.join(name);
    let written =
        write_new(&new, text, about.uid(), about.gid()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, text: &[u8], uid: u32, gid: u32) -> io::Result<()> {
    // One that is there already is another's, or left by a process of this number that was killed.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    fchown(&file, Some(uid), Some(gid))?;
    file.write_all(text)?;
    file.sync_all()
}

fn cannot_change(path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "make it first: sslcache agent key new >FILE, with umask 077",
        io::ErrorKind::AlreadyExists => "remove the file beside it whose name has .new. in it",
        _ => "run as the user that owns the file and its folder",
    };
    Failure::new(secret::shown(path), error, remedy)
}
