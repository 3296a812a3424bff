//! A program's file, as the loader sees it: how it is linked, and with which libraries.
//!
//! The system's loader lists the libraries; it maps them and runs none of their code.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::elf;
use object::read::elf::{Dyn, ElfFile32, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

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

/// The headers of an ELF file.
pub struct Binary {
    pub linking: Linking,
    loader: Option<String>,
    /// The libraries that the file names.
    needed: Vec<String>,
    has_libssl_inside: bool,
    is_go: bool,
    /// True if the program itself loads libraries while it runs.
    pub loads_later: bool,
}

impl Binary {
    pub fn of(bytes: &[u8]) -> Option<Self> {
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
    pub fn libraries(&self, path: &Path) -> Result<Libraries, String> {
        match &self.loader {
            Some(loader) if self.linking == Linking::Dynamic => libraries_of(loader, path),
            _ => Ok(Libraries::new()),
        }
    }

    pub fn libssl(&self, loaded: &Result<Libraries, String>) -> Libssl {
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
pub type Libraries = BTreeMap<String, Option<PathBuf>>;

/// Other TLS libraries: a program that is linked with one of them does TLS by it.
const OTHER_TLS: [&str; 4] = [
    "libgnutls.so",
    "libnss3.so",
    "libmbedtls.so",
    "libwolfssl.so",
];

/// True if one of these libraries loads others, on its own account or for the program: Apache httpd loads its modules by a
/// function of libapr. The C library itself loads none with a program's code, and what GnuTLS loads is no libssl.
pub fn loads_later(libraries: &Libraries) -> bool {
    let is_other_tls = |name: &String| OTHER_TLS.iter().any(|other| name.starts_with(other));
    if libraries.keys().any(is_other_tls) {
        return false;
    }
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
