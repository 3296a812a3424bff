//! The places of files, and how programs are compiled, linked and started.

use crate::form::{Form, Host};
use crate::run;
use crate::stage;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// A program that takes longer counts as hanging.
pub fn limit() -> Duration {
    match stage::other_target() {
        Some(_) => LONG_LIMIT,
        None => Duration::from_secs(60),
    }
}

/// The limit for builds and for programs under valgrind, a sanitizer or an emulator.
pub const LONG_LIMIT: Duration = Duration::from_secs(400);

const COMPILE: [&str; 9] = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O1",
    "-g",
    "-fPIC",
    "-pthread",
    "-Wall",
    "-Wextra",
    "-Werror",
];

pub struct Workshop {
    pub root: PathBuf,
    /// `ctests/`.
    pub source: PathBuf,
    /// The folder of built files, in cargo's target directory.
    pub out: PathBuf,
    /// The tree that `make` has staged.
    pub stage: Option<PathBuf>,
    bsymbolic: OnceLock<Result<PathBuf, String>>,
    replacement: OnceLock<Result<PathBuf, String>>,
}

impl Workshop {
    pub fn new() -> Result<Self, String> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let out = stage::target().join("tmp/ctests");
        fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        Ok(Self {
            source: root.join("ctests"),
            root,
            out,
            stage: stage::stage(),
            bsymbolic: OnceLock::new(),
            replacement: OnceLock::new(),
        })
    }

    pub fn stage(&self) -> Result<&Path, String> {
        self.stage
            .as_deref()
            .ok_or("no stage: run `make` first".into())
    }

    pub fn compiler() -> Command {
        Command::new(stage::compiler())
    }

    /// Compiles `source`, relative to `ctests/`, to an object named `object`, with additional `flags`.
    pub fn compile(&self, source: &str, object: &str, flags: &[&str]) -> Result<PathBuf, String> {
        let object = self.out.join(object);
        if let Some(folder) = object.parent() {
            fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let mut compiler = Self::compiler();
        compiler
            .args(COMPILE)
            .args(flags)
            .arg("-I")
            .arg(&self.source);
        compiler.arg("-I").arg(self.root.join("include"));
        compiler
            .arg("-c")
            .arg(self.source.join(source))
            .arg("-o")
            .arg(&object);
        run::silent(&mut compiler, LONG_LIMIT)?;
        Ok(object)
    }

    /// Links `inputs` to `name`.
    pub fn link(
        &self,
        name: &str,
        inputs: &[&dyn AsRef<std::ffi::OsStr>],
    ) -> Result<PathBuf, String> {
        let linked = self.out.join(name);
        if let Some(folder) = linked.parent() {
            fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let mut compiler = Self::compiler();
        compiler.arg("-pthread").arg("-o").arg(&linked);
        compiler.args(inputs.iter().map(AsRef::as_ref));
        run::silent(&mut compiler, LONG_LIMIT)?;
        Ok(linked)
    }

    /// The folder of a host's libssl; `None` for the system's, which the loader finds by itself.
    pub fn host_folder(&self, host: Host) -> Result<Option<PathBuf>, String> {
        match host {
            Host::System => Ok(None),
            Host::Bsymbolic => Ok(Some(self.bsymbolic()?.to_path_buf())),
            _ => Ok(Some(self.made(host)?.join("host/lib"))),
        }
    }

    /// True if what is tested has this runner's byte order, in which the two speak to each other.
    pub fn has_our_byte_order(&self) -> bool {
        /// EI_DATA, the place in an ELF file that tells it.
        const ORDER: usize = 5;
        let ours = if cfg!(target_endian = "big") { 2 } else { 1 };
        let library = self.stage.as_ref().map(|stage| stage.join(stage::LIBRARY));
        let bytes = library.and_then(|library| fs::read(library).ok());
        bytes.is_none_or(|bytes| bytes.get(ORDER) == Some(&ours))
    }

    /// True if the host is one that `make` builds, and it has not.
    pub fn lacks(&self, host: Host) -> bool {
        host.release()
            .is_some_and(|release| stage::release(release.name, release.libraries[0]).is_none())
    }

    /// What `make` has made for a host of another release than the system's.
    pub fn made(&self, host: Host) -> Result<PathBuf, String> {
        let release = host.release().ok_or("not built by make")?;
        stage::release(release.name, release.libraries[0]).ok_or(format!(
            "there is no OpenSSL {} (make {} builds it)",
            release.number, release.name
        ))
    }

    /// The libraries that a program of this form is linked with: as paths, because those of another release than the
    /// system's have no names for the linker.
    pub fn libraries(&self, form: Form, host: Host) -> Result<[OsString; 2], String> {
        let Some(release) = host.release() else {
            return Ok(["-lssl".into(), "-lcrypto".into()]);
        };
        let folder = self.made(host)?.join("host/lib");
        let [ssl, crypto] = release.libraries.map(|name| folder.join(name).into());
        Ok(match form {
            Form::Replaced => ["-lssl".into(), crypto],
            _ => [ssl, crypto],
        })
    }

    fn bsymbolic(&self) -> Result<&Path, String> {
        let made = self.bsymbolic.get_or_init(|| {
            let folder = stage::target().join("bsymbolic");
            if !folder.join("libssl.so.3").exists() {
                let mut make = Command::new(self.root.join("tools/make-bsymbolic-host"));
                make.arg(&folder).env("CC", stage::compiler());
                run::silent(&mut make, LONG_LIMIT)?;
            }
            Ok(folder)
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// The folder of the libssl that stands in front of `host`.
    pub fn replacement_folder(&self, host: Host) -> Result<PathBuf, String> {
        let stage = self.stage()?;
        if host.release().is_some() {
            return Ok(self.made(host)?.join("sslcache"));
        }
        if host == Host::System {
            return Ok(stage.join("lib/sslcache"));
        }
        let made = self.replacement.get_or_init(|| {
            let mut make = Command::new("make");
            make.current_dir(&self.root)
                // This make must not use the job server of an outer one.
                .env_remove("MAKEFLAGS")
                .env_remove("MAKELEVEL")
                .env("CARGO_TARGET_DIR", stage::target_of_cargo())
                .env("TARGET", stage::other_target().unwrap_or_default())
                .arg("bsymbolic");
            let done = make.output().map_err(|error| format!("make: {error}"))?;
            if !done.status.success() {
                return Err(format!(
                    "{make:?}: {}\n{}{}",
                    done.status,
                    String::from_utf8_lossy(&done.stdout),
                    String::from_utf8_lossy(&done.stderr)
                ));
            }
            Ok(stage::target().join("bsymbolic/sslcache"))
        });
        made.clone()
    }

    /// Sets the variables by which a process of this form finds its libraries. Both are always set or removed, because cargo
    /// passes its own library path to tests. No setting of sslcache is inherited.
    pub fn prepare(&self, command: &mut Command, form: Form, host: Host) -> Result<(), String> {
        let mut folders = Vec::new();
        command
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH");
        remove_settings(command);
        match form {
            Form::Plain => {}
            Form::Linked => folders.push(self.stage()?.join("lib")),
            Form::Preloaded => {
                command.env("LD_PRELOAD", self.stage()?.join("lib/libsslcache.so.0"));
            }
            Form::Replaced => folders.push(self.replacement_folder(host)?),
        }
        // The library in front names its host by an absolute path, but does not name the host's libcrypto.
        if form != Form::Replaced || host.release().is_some() {
            folders.extend(self.host_folder(host)?);
        }
        if !folders.is_empty() {
            let path = env::join_paths(folders).map_err(|error| error.to_string())?;
            command.env("LD_LIBRARY_PATH", path);
        }
        Ok(())
    }
}

/// Removes the settings of the user who runs the tests, and the tests' own variables, which sslcache would take for
/// mistyped settings.
pub fn remove_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SSLCACHE_") {
            command.env_remove(name);
        }
    }
}
