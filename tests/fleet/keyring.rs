//! The keyring's file: who may read it, what stands in it, how it is changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::agent::keyring::{Change, Keyring, change, new_line, rotate};
use crate::agent::secret;
use crate::failure::Failure;
use crate::{Case, Outcome, ensure};

pub const CASES: &[Case] = &[
    (
        "keyring / keys are read in their order, around comments",
        &[],
        reads_keys,
    ),
    (
        "keyring / an error names the line and no key",
        &[],
        names_the_line,
    ),
    (
        "keyring / a file that others may touch is refused",
        &[],
        refuses_open_files,
    ),
    (
        "keyring / what is no small regular file is refused",
        &[],
        refuses_other_files,
    ),
    (
        "keyring / a credential of systemd is found by its name",
        &[],
        reads_credentials,
    ),
    ("keyring / debug output shows no key", &[], shows_no_key),
    ("keyring / each new key is another", &[], new_keys),
    (
        "keyring / rotate puts a key first and keeps the rest",
        &[],
        rotates,
    ),
    (
        "keyring / a key is appended, and later made the first",
        &[],
        appends_and_promotes,
    ),
    (
        "keyring / rotate leaves a file alone that is no keyring",
        &[],
        leaves_others_alone,
    ),
];

/// A folder that is removed with what is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> std::io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("sslcache-fleet-{}-{count}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it that only its owner reads.
    pub fn file(&self, name: &str, contents: &[u8]) -> std::io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, contents)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line() -> String {
    new_line().expect("the kernel has random bytes").to_string()
}

/// Fails unless the failure is shown with all of these words, and without `secret`.
fn says<T>(outcome: Result<T, Failure>, words: &[&str], secret: &str) -> Outcome {
    let Err(failure) = outcome else {
        return Err(format!("no failure that says {words:?}").into());
    };
    let said = failure.to_string();
    ensure!(
        words.iter().all(|word| said.contains(word)),
        "{said:?} lacks one of {words:?}"
    );
    ensure!(
        secret.is_empty() || !said.contains(secret),
        "{said:?} has the secret"
    );
    Ok(())
}

fn ids(path: &Path) -> Result<Vec<[u8; 4]>, String> {
    let keyring = Keyring::read(path).map_err(|failure| failure.to_string())?;
    Ok(keyring.all().iter().map(|key| key.id()).collect())
}

fn reads_keys() -> Outcome {
    let folder = Folder::new()?;
    let (one, two) = (line(), line());
    let text = format!(
        "# the fleet of the shop\n\n  {}\r\n{}",
        one.trim_end(),
        two.trim_end()
    );
    let found = ids(&folder.file("keyring", text.as_bytes())?)?;
    let first = ids(&folder.file("first", one.as_bytes())?)?;
    let second = ids(&folder.file("second", two.as_bytes())?)?;
    ensure!(found == [first, second].concat(), "{found:?}");
    Ok(())
}

fn names_the_line() -> Outcome {
    let good = line();
    let secret = &good["sslc-key-1:".len()..good.len() - 1];
    let parse = |text: String| Keyring::parse(text.as_bytes(), Path::new("/etc/keyring"));
    let remedy = "sslcache agent key new";
    let wrong = [
        (format!("{secret}\n"), "does not begin with sslc-key-1:"),
        (format!("sslc-key-1:{secret}A\n"), "43 characters"),
        (format!("sslc-key-1:{}\n", &secret[1..]), "43 characters"),
        (format!("sslc-key-1:{secret}=\n"), "43 characters"),
        (format!("sslc-key-1:*{}\n", &secret[1..]), "43 characters"),
        (format!("sslc-key-1:{}\n", "A".repeat(43)), "no random key"),
        (
            format!("sslc-key-2:{secret}\n"),
            "does not begin with sslc-key-1:",
        ),
    ];
    for (text, reason) in wrong {
        says(
            parse(format!("#\n{good}{text}")),
            &["/etc/keyring: line 3: ", reason, remedy],
            &secret[1..],
        )?;
    }
    says(
        parse(format!("{good}#\n{good}")),
        &["line 3: is the key of line 1 again: remove"],
        secret,
    )?;
    says(
        parse("# none\n".into()),
        &["/etc/keyring: has no key: ", remedy],
        "",
    )
}

fn refuses_open_files() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.file("keyring", line().as_bytes())?;
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        let words = ["keyring: others may read or change it (mode 0", "chmod 600"];
        says(Keyring::read(&path), &words, "").map_err(|error| format!("{mode:o}: {error}"))?;
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        ids(&path)?;
    }
    // Only root can give a file away.
    if chown(&path, Some(65534), None).is_ok() {
        says(
            Keyring::read(&path),
            &["belongs to the user 65534", "chown"],
            "",
        )?;
    }
    Ok(())
}

fn refuses_other_files() -> Outcome {
    let folder = Folder::new()?;
    says(Keyring::read(folder.path()), &["is not a regular file"], "")?;
    let fifo = folder.path().join("fifo");
    let name = std::ffi::CString::new(fifo.to_str().ok_or("no UTF-8")?)?;
    // SAFETY: the name is a C string.
    let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
    ensure!(made == 0, "no FIFO");
    says(Keyring::read(&fifo), &["is not a regular file"], "")?;
    says(
        Keyring::read(&folder.path().join("none")),
        &["none: No such file", "make the file"],
        "",
    )?;
    let large = folder.file("large", &vec![b'#'; 64 * 1024 + 1])?;
    says(Keyring::read(&large), &["is larger than 65536 bytes"], "")?;
    let odd = folder.path().join("odd\u{1b}[31m");
    says(Keyring::read(&odd), &["odd?[31m: "], "\u{1b}")
}

fn reads_credentials() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.file("fleet", b"secret")?;
    // As systemd shows one that an access list opens for its service.
    fs::set_permissions(&path, Permissions::from_mode(0o440))?;
    for named in [Path::new("fleet"), &path] {
        let found = secret::read_with(named, Some(folder.path()));
        ensure!(
            found.is_ok_and(|found| **found == *b"secret"),
            "{named:?} is not read"
        );
    }
    says(secret::read_with(&path, None), &["others may read"], "")?;
    says(
        secret::read_with(Path::new("fleet"), None),
        &["LoadCredential=fleet:FILE"],
        "",
    )?;
    fs::set_permissions(&path, Permissions::from_mode(0o444))?;
    says(
        secret::read_with(&path, Some(folder.path())),
        &["others may read"],
        "",
    )
}

fn shows_no_key() -> Outcome {
    let line = line();
    let keyring =
        Keyring::parse(line.as_bytes(), Path::new("keyring")).map_err(|error| error.to_string())?;
    let [a, b, c, d] = keyring.sealing().id();
    let shown = format!("{keyring:?}");
    let expected = format!("Keyring {{ keys: [MasterKey({a:02x}{b:02x}{c:02x}{d:02x})] }}");
    ensure!(shown == expected, "{shown}");
    Ok(())
}

fn new_keys() -> Outcome {
    let (one, two) = (line(), line());
    ensure!(one != two, "{one} twice");
    ensure!(
        one.len() == 55 && one.starts_with("sslc-key-1:") && one.ends_with('\n'),
        "{one:?}"
    );
    Ok(())
}

fn rotates() -> Outcome {
    let folder = Folder::new()?;
    let old = format!("# ours\n{}# the second\n{}", line(), line().trim_end());
    let path = folder.file("keyring", old.as_bytes())?;
    let link = folder.path().join("link");
    symlink(&path, &link)?;
    let is_root = chown(&path, Some(0), Some(65534)).is_ok();
    rotate(&link).map_err(|error| error.to_string())?;
    let new = fs::read_to_string(&path)?;
    let (head, rest) = new.split_at("# ours\n".len());
    ensure!(head == "# ours\n", "{head:?}");
    ensure!(
        rest[55..] == format!("{}\n", &old[head.len()..]),
        "the old keys changed"
    );
    ensure!(ids(&path)?.len() == 3, "{:?}", ids(&path)?);
    let about = fs::metadata(&path)?;
    ensure!(
        about.permissions().mode() & 0o7777 == 0o600,
        "mode {:o}",
        about.permissions().mode()
    );
    use std::os::unix::fs::MetadataExt;
    ensure!(
        !is_root || about.gid() == 65534,
        "the group became {}",
        about.gid()
    );
    ensure!(
        fs::symlink_metadata(&link)?.is_symlink(),
        "the link was replaced"
    );
    let left = fs::read_dir(folder.path())?.count();
    ensure!(left == 2, "{left} files are left");
    Ok(())
}

fn appends_and_promotes() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.file("keyring", format!("{}{}", line(), line()).as_bytes())?;
    let old = ids(&path)?;
    change(&path, Change::NewLast).map_err(|error| error.to_string())?;
    let appended = ids(&path)?;
    ensure!(
        appended.len() == 3 && appended[..2] == old,
        "{appended:?} of {old:?}"
    );
    change(&path, Change::LastToFirst).map_err(|error| error.to_string())?;
    let promoted = ids(&path)?;
    ensure!(
        promoted == [appended[2], old[0], old[1]],
        "{promoted:?} of {appended:?}"
    );
    Ok(())
}

fn leaves_others_alone() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.file("shadow", b"root:*:1::::::\n")?;
    says(rotate(&path), &["shadow: line 1: does not begin"], "")?;
    ensure!(fs::read(&path)? == b"root:*:1::::::\n", "it was changed");
    says(
        rotate(&folder.path().join("none")),
        &["none: No such file", "agent key new"],
        "",
    )
}
