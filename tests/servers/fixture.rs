//! The common parts of all runs: the client, the probe and a certificate; and a folder for each run.

use crate::form::{Form, Protocol};
use crate::stage;
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

/// The number of clients of a run, each with two visits; far below every default cache size.
pub const CLIENTS: u32 = 20;

/// The folder with the sources of client and probe.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers");

pub struct Fixture {
    folder: Folder,
    /// The tree that `make` stages, if there is one.
    pub stage: Option<PathBuf>,
}

impl Fixture {
    pub fn build() -> Result<Self, Box<dyn Error>> {
        // Debian installs servers in folders that are not in an ordinary user's PATH.
        let path = env::var("PATH")?;
        // SAFETY: there is no second thread yet.
        unsafe { env::set_var("PATH", path + ":/usr/sbin") };
        let fixture = Self {
            folder: Folder::new()?,
            stage: stage::stage(),
        };
        let openssl = ["-lssl", "-lcrypto"];
        for client in ["client", "returning", "crossing"] {
            fixture.compile(client, &[&format!("{client}.c"), "visits.c"], &openssl)?;
        }
        for client in ["ftps", "theft"] {
            let sources = [&format!("{client}.c"), "ftp.c", "visits.c"];
            fixture.compile(client, &sources, &openssl)?;
        }
        for library in ["probe", "loopback"] {
            let source = format!("{library}.c");
            fixture.compile(
                &format!("{library}.so"),
                &["-shared", "-fPIC", &source],
                &[],
            )?;
        }
        if let Some(stage) = &fixture.stage {
            let library_path = format!("-L{}", stage.join("lib").display());
            let libraries = [
                "-Wl,--no-as-needed",
                &library_path,
                "-lsslcache",
                "-lssl",
                "-lcrypto",
            ];
            fixture.compile("client-linked", &["client.c", "visits.c"], &libraries)?;
        }
        fixture.write_certificate()?;
        Ok(fixture)
    }

    fn compile(
        &self,
        output: &str,
        what: &[&str],
        libraries: &[&str],
    ) -> Result<(), Box<dyn Error>> {
        let mut cc = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
        cc.args([
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I../../include",
            "-o",
        ])
        .arg(self.path(output))
        .args(what)
        .args(libraries)
        .current_dir(SOURCES);
        run(&mut cc).map(drop)
    }

    /// Not the certificate of a CA: httpd warns about a server that has one. The extensions come from a file, because OpenSSL
    /// 1.1.1 adds those of its command line to the system's, which are a CA's.
    fn write_certificate(&self) -> Result<(), Box<dyn Error>> {
        let extensions = self.path("extensions.cnf");
        fs::write(
            &extensions,
            "[req]\ndistinguished_name = name\nx509_extensions = server\n[name]\n[server]\n\
             subjectAltName = DNS:localhost\nbasicConstraints = critical,CA:FALSE\n",
        )?;
        let mut openssl = Command::new("openssl");
        openssl
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
            .args(["-subj", "/CN=localhost", "-config"])
            .arg(extensions)
            .arg("-keyout")
            .arg(self.key())
            .arg("-out")
            .arg(self.certificate());
        // Not by `run`, because openssl prints its progress on stderr.
        let output = openssl.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let both = [fs::read(self.certificate())?, fs::read(self.key())?].concat();
        Ok(fs::write(self.certificate_and_key(), both)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path.join(name)
    }

    pub fn certificate(&self) -> PathBuf {
        self.path("cert.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    /// Certificate and key in one file, as haproxy needs them.
    pub fn certificate_and_key(&self) -> PathBuf {
        self.path("both.pem")
    }

    /// A command that runs in `form`, for at most a minute.
    pub fn command(&self, program: impl AsRef<Path>, form: Form) -> Command {
        let mut command = Command::new("timeout");
        command.arg("60");
        form.prepare(&mut command, self.stage.as_deref(), None);
        command.arg(program.as_ref());
        command
    }

    /// Makes a command run in `form` with the probe, whether or not it was prepared for a form.
    pub fn probe(&self, command: &mut Command, form: Form, report: &Path) {
        form.prepare(command, self.stage.as_deref(), Some(&self.path("probe.so")));
        command.env("PROBE_FILE", report);
    }

    /// Makes a prepared command listen on 127.0.0.1, although its program would listen on every address.
    pub fn keep_local(&self, command: &mut Command) {
        let mut preload = self.path("loopback.so").into_os_string();
        let others = command
            .get_envs()
            .find_map(|(name, value)| value.filter(|_| name == "LD_PRELOAD"));
        if let Some(others) = others {
            preload.push(":");
            preload.push(others);
        }
        command.env("LD_PRELOAD", preload);
    }

    /// Our client with all its visits; it prints `full=20 resumed=20 held=server`.
    pub fn client(&self, form: Form, address: &str, protocol: Protocol) -> Command {
        self.clients(form, address, protocol, CLIENTS)
    }

    /// The same for any number of clients.
    pub fn clients(&self, form: Form, address: &str, protocol: Protocol, count: u32) -> Command {
        let client = self.path(if form == Form::Linked {
            "client-linked"
        } else {
            "client"
        });
        let mut client = self.command(client, form);
        client.arg(address).arg(self.certificate());
        client.arg(protocol.number()).arg(count.to_string());
        client
    }

    /// One of the other clients, on the plain libssl. Its arguments are certificate, protocol and `what`.
    pub fn visitor<S: AsRef<OsStr>>(
        &self,
        program: &str,
        protocol: Protocol,
        what: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut client = self.command(self.path(program), Form::Plain);
        client.arg(self.certificate()).arg(protocol.number());
        client.args(what);
        client
    }
}

/// True if the tests run as root: the programs can drop privileges then, and so must.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Runs a command to its end. It must succeed and print nothing on stderr.
pub fn run(command: &mut Command) -> Result<Output, Box<dyn Error>> {
    let output = command.output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !complaint.is_empty() {
        return Err(format!("{command:?}: {}\n{complaint}", output.status).into());
    }
    Ok(output)
}

/// True if there is a program of this name.
pub fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// A new folder, removed on drop. Its path is short, because it contains sockets.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: only the uniqueness of the numbers matters.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sslcache-servers-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
