//! A program that is to be run: which file it is, and whether the cache can be loaded into it.
//!
//! No code of the program is executed. The system's loader lists the libraries that the program is linked with; it maps them
//! and runs none of their code.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use object::elf;
use object::read::elf::{Dyn, ElfFile32, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

use crate::failure::Failure;

/// The longest chain of scripts that are interpreters of each other. The kernel gives up sooner.
const INTERPRETERS_MOST: usize = 5;

/// A file to be executed, and its properties.
pub struct Program {
    /// The file that is executed in the end: for a script, the interpreter.
    pub path: PathBuf,
    /// The script that `path` interprets.
    pub script: Option<PathBuf>,
    pub privilege: Option<Privilege>,
    pub linking: Linking,
    pub libssl: Libssl,
    /// True if the program may load more libraries while it runs.
    pub loads_later: bool,
}

/// Rights that the user who starts the program may lack. The loader then ignores the variables that load the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    SetUser(u32),
    SetGroup(u32),
    Capabilities,
}

/// How the program is linked.
#[derive(PartialEq, Eq)]
pub enum Linking {
    Dynamic,
    /// Without a loader, so that no library can be loaded into it.
    Static,
    /// With the loader of another C library.
    OtherLoader(String),
    /// For another processor than that of this tool.
    OtherMachine,
}

/// The libssl of a program.
pub enum Libssl {
    /// A library of this name, and its path; `None` if the loader does not find it.
    Linked { name: String, file: Option<PathBuf> },
    /// Part of the program itself.
    Inside,
    /// None, because the program is in Go and uses Go's TLS.
    OfGo,
    /// Not linked: the program has none, or loads it later.
    None,
    /// Unknown, because the libraries could not be listed.
    Unknown(String),
}

/// Finds a program as a shell would.
pub fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian installs servers in folders that are not in an ordinary user's PATH.
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file));
    found.ok_or_else(|| {
        Failure::new(
            name.display(),
            "no such program in PATH",
            "install it, or give its path",
        )
        .with_code(127)
    })
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

impl Program {
    /// Examines the program of this name or path.
    pub fn read(name: &OsStr) -> Result<Self, Failure> {
        let first = find(name)?;
        let mut path = first.clone();
        for _ in 0..INTERPRETERS_MOST {
            let (about, start) = open(&path)?;
            if let Some(interpreter) = interpreter_of(&start)? {
                path = interpreter;
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            let read = Binary::of(&bytes).ok_or_else(|| {
                Failure::new(
                    path.display(),
                    "neither an ELF program nor a script",
                    "give the program itself",
                )
                .with_code(126)
            })?;
            let loaded = read.libraries(&path);
            return Ok(Self {
                script: (path != first).then_some(first),
                privilege: privilege(&path, &about),
                libssl: read.libssl(&loaded),
                loads_later: read.loads_later || loaded.is_ok_and(|loaded| loads_later(&loaded)),
                linking: read.linking,
                path,
            });
        }
        Err(Failure::new(
            first.display(),
            "a script of too many scripts",
            "give the program that they end at",
        )
        .with_code(126))
    }

    /// True if the loader would ignore the variables that load the cache, if this process executed the program.
    pub fn is_privileged_for_us(&self) -> bool {
        // SAFETY: these functions have no preconditions.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        match self.privilege {
            Some(Privilege::SetUser(owner)) => owner != user,
            Some(Privilege::SetGroup(owner)) => owner != group,
            Some(Privilege::Capabilities) => user != 0,
            None => false,
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let (remedy, code) = match error.kind() {
        std::io::ErrorKind::NotFound => ("install it, or correct the path", 127),
        _ => ("run this as a user who may read it", 126),
    };
    Failure::new(path.display(), error, remedy).with_code(code)
}

/// The first bytes of a program, enough for the line that names a script's interpreter.
fn open(path: &Path) -> Result<(Metadata, Vec<u8>), Failure> {
    let mut start = Vec::new();
    let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !is_executable(path) {
        return Err(
            Failure::new(path.display(), "not an executable file", "give a program").with_code(126),
        );
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(256)
        .read_to_end(&mut start)
        .map_err(|error| unreadable(path, &error))?;
    Ok((about, start))
}

/// The interpreter in the first line of a script. Behind `env`, it is looked up in PATH.
fn interpreter_of(start: &[u8]) -> Result<Option<PathBuf>, Failure> {
    let Some(line) = start.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(interpreter) = words.next() else {
        return Ok(None);
    };
    if interpreter.ends_with(b"/env") {
        let named = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
        if let Some(named) = named {
            return find(OsStr::from_bytes(named)).map(Some);
        }
    }
    Ok(Some(OsString::from_vec(interpreter.to_vec()).into()))
}

fn privilege(path: &Path, about: &Metadata) -> Option<Privilege> {
    const SET_USER: u32 = libc::S_ISUID;
    const SET_GROUP: u32 = libc::S_ISGID | libc::S_IXGRP;
    if about.mode() & SET_USER != 0 {
        return Some(Privilege::SetUser(about.uid()));
    }
    if about.mode() & SET_GROUP == SET_GROUP {
        return Some(Privilege::SetGroup(about.gid()));
    }
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: both names are C strings. With a size of 0 the call writes nothing, and only says whether the attribute exists.
    let size = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            core::ptr::null_mut(),
            0,
        )
    };
    (size > 0).then_some(Privilege::Capabilities)
}

/// The headers of an ELF file.
struct Binary {
    linking: Linking,
    loader: Option<String>,
    /// The libraries that the file names.
    needed: Vec<String>,
    has_libssl_inside: bool,
    is_go: bool,
    loads_later: bool,
}

impl Binary {
    fn of(bytes: &[u8]) -> Option<Self> {
        match object::FileKind::parse(bytes).ok()? {
            object::FileKind::Elf64 => {
                let file = ElfFile64::<Endianness>::parse(bytes).ok()?;
                Self::read(&file, bytes)
            }
            object::FileKind::Elf32 => {
                let file = ElfFile32::<Endianness>::parse(bytes).ok()?;
                Self::read(&file, bytes)
            }
            _ => None,
        }
    }

    fn read<'a, H>(file: &object::read::elf::ElfFile<'a, H>, bytes: &'a [u8]) -> Option<Self>
    where
        H: FileHeader<Endian = Endianness>,
    {
        let header = file.elf_header();
        let endian = file.endian();
        let headers = header.program_headers(endian, bytes).ok()?;
        let loader = headers
            .iter()
            .find_map(|part| part.interpreter(endian, bytes).ok().flatten());
        let loader = loader.map(|name| String::from_utf8_lossy(name).into_owned());
        let linking = if header.e_machine(endian) != our_machine()
            || H::is_type_64_sized() != cfg!(target_pointer_width = "64")
        {
            Linking::OtherMachine
        } else {
            match &loader {
                None => Linking::Static,
                Some(loader) if loader.contains("ld-linux") || loader.contains("ld64") => {
                    Linking::Dynamic
                }
                Some(loader) => Linking::OtherLoader(loader.clone()),
            }
        };
        let defines = |name: &str| {
            file.dynamic_symbols()
                .chain(file.symbols())
                .any(|symbol| symbol.is_definition() && symbol.name() == Ok(name))
        };
        let imports = |name: &str| {
            file.dynamic_symbols()
                .any(|symbol| symbol.is_undefined() && symbol.name() == Ok(name))
        };
        // libssl has the names of its source files for its error messages, even if all symbols were stripped.
        let names_its_sources = || {
            bytes
                .windows(b"ssl/ssl_lib.c\0".len())
                .any(|part| part == b"ssl/ssl_lib.c\0")
        };
        Some(Self {
            needed: needed(header, endian, bytes),
            has_libssl_inside: defines("SSL_CTX_new") || names_its_sources(),
            is_go: [".go.buildinfo", ".gopclntab"]
                .iter()
                .any(|name| file.section_by_name(name).is_some()),
            loads_later: imports("dlopen"),
            linking,
            loader,
        })
    }

    /// The libraries that the loader brings; none of a program that has no loader, or is for another machine.
    fn libraries(&self, path: &Path) -> Result<Libraries, String> {
        match &self.loader {
            Some(loader) if self.linking == Linking::Dynamic => libraries_of(loader, path),
            _ => Ok(Libraries::new()),
        }
    }

    fn libssl(&self, loaded: &Result<Libraries, String>) -> Libssl {
        let unnamed = match (self.has_libssl_inside, self.is_go) {
            (true, _) => Libssl::Inside,
            (false, true) => Libssl::OfGo,
            (false, false) => Libssl::None,
        };
        if self.linking != Linking::Dynamic {
            return unnamed;
        }
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(reason) => return Libssl::Unknown(reason.clone()),
        };
        let is_libssl = |name: &&String| name.starts_with("libssl") && name.contains(".so");
        let named = self
            .needed
            .iter()
            .find(is_libssl)
            .or_else(|| loaded.keys().find(is_libssl));
        match named {
            Some(name) => Libssl::Linked {
                name: name.clone(),
                file: loaded.get(name).cloned().flatten(),
            },
            None => unnamed,
        }
    }
}

/// True if a file is one of our libraries, which have a symbol that no other has.
pub fn is_sslcache(file: &Path) -> bool {
    // Another user may have put a pipe there, which would make a reader wait.
    if !fs::metadata(file).is_ok_and(|about| about.is_file()) {
        return false;
    }
    let bytes = fs::read(file).unwrap_or_default();
    object::File::parse(&*bytes).is_ok_and(|file| {
        file.dynamic_symbols()
            .any(|symbol| symbol.is_definition() && symbol.name() == Ok("sslcache_version"))
    })
}

fn our_machine() -> u16 {
    match env::consts::ARCH {
        "x86_64" => elf::EM_X86_64,
        "x86" => elf::EM_386,
        "aarch64" => elf::EM_AARCH64,
        "arm" => elf::EM_ARM,
        "riscv64" => elf::EM_RISCV,
        "powerpc64" => elf::EM_PPC64,
        "s390x" => elf::EM_S390,
        "loongarch64" => elf::EM_LOONGARCH,
        _ => elf::EM_NONE,
    }
}

fn needed<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    bytes: &[u8],
) -> Vec<String> {
    let names = || -> object::Result<Vec<String>> {
        let sections = header.sections(endian, bytes)?;
        let Some((entries, strings)) = sections.dynamic(endian, bytes)? else {
            return Ok(Vec::new());
        };
        let strings = sections.strings(endian, bytes, strings)?;
        let named = entries
            .iter()
            .filter(|entry| entry.tag32(endian) == Some(elf::DT_NEEDED));
        let names = named.filter_map(|entry| strings.get(entry.val32(endian)?).ok());
        Ok(names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    };
    // If the file is no valid ELF file, the loader reports what is wrong with it.
    names().unwrap_or_default()
}

/// The libraries of a program by name, and where the loader finds them.
type Libraries = BTreeMap<String, Option<PathBuf>>;

/// True if one of these libraries loads others, on its own account or for the program: Apache httpd loads its modules by a
/// function of libapr. The C library itself loads none with a program's code.
fn loads_later(libraries: &Libraries) -> bool {
    libraries
        .iter()
        .filter(|(name, _)| !name.starts_with("libc.so"))
        .filter_map(|(_, file)| fs::read(file.as_ref()?).ok())
        .any(|bytes| {
            object::File::parse(&*bytes).is_ok_and(|file| {
                let mut symbols = file.dynamic_symbols();
                symbols.any(|symbol| symbol.is_undefined() && symbol.name() == Ok("dlopen"))
            })
        })
}

/// All libraries of a program.
fn libraries_of(loader: &str, path: &Path) -> Result<Libraries, String> {
    // A program may name any file as its loader, and that file would be executed.
    if !["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"]
        .iter()
        .any(|folder| loader.starts_with(folder))
    {
        return Err(format!("its loader {loader} is not the system's"));
    }
    let listed = Command::new(loader)
        .arg("--list")
        .arg(path)
        .env_remove("LD_PRELOAD")
        .output();
    let listed = listed.map_err(|error| format!("{loader}: {error}"))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    if !listed.status.success() && text.is_empty() {
        return Err(String::from_utf8_lossy(&listed.stderr).trim().to_owned());
    }
    // `name => /path (0x…)`, `name => not found`, `/path (0x…)`
    let mut libraries = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, place)) = line.trim().split_once(" => ") {
            let file = place
                .split(" (0x")
                .next()
                .filter(|file| file.starts_with('/'));
            libraries.insert(name.to_owned(), file.map(PathBuf::from));
        }
    }
    Ok(libraries)
}
