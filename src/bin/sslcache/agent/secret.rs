//! Files that hold a secret: a keyring, a password. They are read only if nobody else can read or change them.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{env, fmt, io};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// The most bytes of such a file: far more than any keyring has.
const MOST_BYTES: u64 = 64 * 1024;

/// The folder of the agent's secrets. Its unit hands them over, as only root may read them there.
const FOLDER: &str = "/etc/sslcache-agent";
/// What the names of these credentials begin with.
const HANDED_OVER: &str = "secrets_";

/// The variable that names the folder of a service's credentials, set by systemd.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The contents of the file at `path`. A name without a `/` is one of systemd's credentials, and so is a file of the agent's
/// folder where it is handed over.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_with(path, env::var_os(CREDENTIALS).map(PathBuf::from).as_deref())
}

/// The same, where `credentials` is the folder of the service's credentials.
pub fn read_with(path: &Path, credentials: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut is_credential = credentials.is_some_and(|folder| path.starts_with(folder));
    let mut place = path.to_path_buf();
    if path.components().count() == 1 && !path.is_absolute() {
        let folder = credentials.ok_or_else(|| {
            Failure::new(
                shown(path),
                "is a name without a folder, and the service manager has given no credentials",
                format!(
                    "name the file with its whole path, or set LoadCredential={}:FILE in the unit",
                    shown(path)
                ),
            )
        })?;
        place = folder.join(path);
        is_credential = true;
    }
    let name = path.strip_prefix(FOLDER).ok().and_then(Path::to_str);
    if let (Some(folder), Some(name)) = (credentials, name) {
        let handed_over = folder.join(format!("{HANDED_OVER}{name}"));
        if handed_over.exists() {
            place = handed_over;
            is_credential = true;
        }
    }
    // A FIFO would be waited for otherwise.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(&place);
    let mut file = opened.map_err(|error| unreadable(&place, &error))?;
    check(&place, &file, is_credential)?;
    // At once as large as it can become, as a buffer that grows leaves copies behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize + 1));
    file.by_ref()
        .take(MOST_BYTES + 1)
        .read_to_end(&mut contents)
        .map_err(|error| unreadable(&place, &error))?;
    if contents.len() as u64 > MOST_BYTES {
        return Err(too_large(&place));
    }
    Ok(contents)
}

/// Refuses a file that others can read or change. That of a credential is guarded by its folder: systemd grants its
/// service the access by an access list, whose mask is shown as the group's permissions.
fn check(path: &Path, file: &File, is_credential: bool) -> Result<(), Failure> {
    let about = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !about.is_file() {
        return Err(Failure::new(
            shown(path),
            "is not a regular file",
            "name the file that holds the secret",
        ));
    }
    if about.len() > MOST_BYTES {
        return Err(too_large(path));
    }
    let others = if is_credential { 0o007 } else { 0o077 };
    if about.mode() & others != 0 {
        return Err(Failure::new(
            shown(path),
            format!(
                "others may read or change it (mode {:04o})",
                about.mode() & 0o7777
            ),
            format!(
                "chmod 600 {}, and make a new secret if others could read it",
                shown(path)
            ),
        ));
    }
    // SAFETY: geteuid takes nothing and cannot fail.
    let own = unsafe { libc::geteuid() };
    if about.uid() != 0 && about.uid() != own {
        return Err(Failure::new(
            shown(path),
            format!("belongs to the user {}, who may change it", about.uid()),
            format!(
                "chown root {}, or chown it to the user {own}, who reads it",
                shown(path)
            ),
        ));
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "make the file, or name another",
        io::ErrorKind::PermissionDenied => {
            "let the user of this process own the file, or pass it as a credential of systemd"
        }
        _ => "see to the file, or name another",
    };
    Failure::new(shown(path), error, remedy)
}

fn too_large(path: &Path) -> Failure {
    Failure::new(
        shown(path),
        format!("is larger than {MOST_BYTES} bytes"),
        "name the file that holds only the secret",
    )
}

/// The path, as it may be printed.
pub fn shown(path: &Path) -> impl fmt::Display {
    let text = path.to_string_lossy().into_owned();
    text.replace(char::is_control, "?")
}
