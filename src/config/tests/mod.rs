//! Helpers of the settings' tests: a settings file, and readings of each source.

mod documents;
mod file;
mod names;
mod process;
mod sources;
mod toml;
mod values;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::id;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::read::Sources;
use super::{Agent, Certificates, EarlyData, Group, Settings, TicketKeys};

/// A folder of one test, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: only the uniqueness of the numbers matters.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sslcache-config-{}-{number}", id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join("sslcache.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sources(environment: &[(&str, &str)], file: &Path) -> Sources {
    Sources {
        privileged: false,
        environment: environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        file: file.to_path_buf(),
        // SAFETY: geteuid has no preconditions and cannot fail.
        user: unsafe { libc::geteuid() },
    }
}

fn read(environment: &[(&str, &str)], file: &Path) -> (Settings, String) {
    let (settings, complaints) = sources(environment, file).read();
    (settings, complaints.line().unwrap_or_default())
}

/// The settings with these variables and without a file.
fn by_environment(environment: &[(&str, &str)]) -> (Settings, String) {
    read(environment, Path::new("/nonexistent/sslcache.toml"))
}

fn by_file(text: &str) -> (Settings, String) {
    let folder = Folder::new();
    let path = folder.write(text);
    let (settings, line) = read(&[], &path);
    (settings, line.replace(path.to_str().unwrap(), "FILE"))
}

fn all_set() -> Settings {
    Settings {
        region: Some("/run/sslcache/web".into()),
        region_size: 1 << 30,
        group: Group::Named("web".into()),
        certificates: Certificates::Any,
        force: true,
        ticket_keys: TicketKeys::Fleet,
        agent: Agent::At("/run/my/agent".into()),
        agent_wait: Duration::from_millis(5),
        early_data: EarlyData::Fleet,
        strict_names: true,
        verbose: true,
        stats: false,
    }
}

const ALL_IN_ENVIRONMENT: [(&str, &str); 12] = [
    ("SSLCACHE_REGION", "/run/sslcache/web"),
    ("SSLCACHE_REGION_SIZE", "1G"),
    ("SSLCACHE_GROUP", "web"),
    ("SSLCACHE_CERTIFICATES", "any"),
    ("SSLCACHE_FORCE", "yes"),
    ("SSLCACHE_TICKET_KEYS", "fleet"),
    ("SSLCACHE_AGENT", "/run/my/agent"),
    ("SSLCACHE_AGENT_WAIT", "5"),
    ("SSLCACHE_EARLY_DATA", "fleet"),
    ("SSLCACHE_STRICT_NAMES", "true"),
    ("SSLCACHE_VERBOSE", "1"),
    ("SSLCACHE_STATS", "off"),
];

const ALL_IN_FILE: &str = "\
    # What the web servers share.\n\
    region = \"/run/sslcache/web\"\n\
    region_size = \"1G\"\n\
    group = \"web\"\n\
    certificates = \"any\"\n\
    force = true\n\
    ticket_keys = \"fleet\"\n\
    agent = \"/run/my/agent\"\n\
    agent_wait = 5\n\
    early_data = \"fleet\"\n\
    strict_names = true\n\
    verbose = 1\n\
    stats = false\n";
