//! A C program: its object file is built once, linked in two ways, and run in every form.

use crate::agent::Agent;
use crate::form::{Form, Host};
use crate::run;
use crate::workshop::{LIMIT, Workshop};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// The folder of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ctests/`: programs with one thread.
    Simple,
    /// `ctests/threads/`: programs with several threads.
    Threads,
    /// `ctests/ours/`: programs that need functions of sslcache. Their output is compared with `ctests/expected/`.
    Ours,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Simple, Self::Threads, Self::Ours];

    fn folder(self) -> &'static str {
        match self {
            Self::Simple => "",
            Self::Threads => "threads/",
            Self::Ours => "ours/",
        }
    }
}

type Built = OnceLock<Result<PathBuf, String>>;
/// One value for OpenSSL 3 and one for OpenSSL 4, whose headers and library names differ.
type OfEach<T> = [T; 2];

fn is_4(host: Host) -> bool {
    host == Host::Openssl4
}

pub struct Program {
    pub name: String,
    pub kind: Kind,
    object: OfEach<Built>,
    executables: OfEach<Mutex<HashMap<Form, Result<PathBuf, String>>>>,
    plain: [OnceLock<Result<String, String>>; Host::ALL.len()],
}

static COMMON: OfEach<Built> = [const { OnceLock::new() }; 2];

/// `common.c`, of which every program has a copy.
pub fn common_object(workshop: &Workshop, host: Host) -> Result<PathBuf, String> {
    COMMON[usize::from(is_4(host))]
        .get_or_init(|| object(workshop, host, "common.c", "common.o"))
        .clone()
}

/// The object file of a source in `ctests/`.
pub fn object(
    workshop: &Workshop,
    host: Host,
    source: &str,
    name: &str,
) -> Result<PathBuf, String> {
    if !is_4(host) {
        return workshop.compile(source, name, &[]);
    }
    let include = workshop.openssl4()?.join("host/include");
    // Its headers have const and deprecated where those of OpenSSL 3 have not.
    let flags = ["-w", "-isystem", &include.to_string_lossy()];
    workshop.compile(source, &format!("openssl4/{name}"), &flags)
}

/// Links a program from these objects for `form`, whatever libraries it will find at run time.
pub fn linked(
    workshop: &Workshop,
    form: Form,
    host: Host,
    name: &str,
    objects: &[PathBuf],
) -> Result<PathBuf, String> {
    let mut libraries: Vec<OsString> = Vec::new();
    let search = |folder: PathBuf| -> Result<OsString, String> {
        let mut flag = OsString::from("-L");
        flag.push(folder);
        Ok(flag)
    };
    match form {
        Form::Plain | Form::Preloaded => {}
        Form::Linked => {
            libraries.extend([search(workshop.stage()?.join("lib"))?, "-lsslcache".into()]);
        }
        Form::Replaced => libraries.push(search(workshop.replacement_folder(host)?)?),
    }
    match host {
        Host::Openssl4 => libraries.extend(workshop.libraries_of_openssl4(form)?),
        _ => libraries.extend(["-lssl".into(), "-lcrypto".into()]),
    }
    let mut inputs: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
    inputs.extend(objects.iter().map(|object| object as &dyn AsRef<_>));
    inputs.extend(libraries.iter().map(|library| library as &dyn AsRef<_>));
    let folder = if is_4(host) { "openssl4/" } else { "" };
    workshop.link(&format!("{folder}{form}/{name}"), &inputs)
}

impl Program {
    pub fn all(workshop: &Workshop) -> Vec<Self> {
        let mut programs = Vec::new();
        for kind in Kind::ALL {
            let folder = workshop.source.join(kind.folder());
            let mut names: Vec<_> = fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter_map(|file| file.strip_suffix(".c").map(str::to_owned))
                .filter(|name| name != "common")
                .collect();
            names.sort();
            programs.extend(names.into_iter().map(|name| Self {
                name,
                kind,
                object: Default::default(),
                executables: Default::default(),
                plain: Default::default(),
            }));
        }
        programs
    }

    /// Whether the program runs in this form on this host.
    ///
    /// A linked library and a preloaded one come before libssl in the same way: which of libssl's own calls reach it is a
    /// matter of the host, and not of how it came there. So the programs with one thread, which are most, run linked on the
    /// system's host alone, and preloaded and replaced on each. The others, and those of `loading`, run in all forms.
    pub fn is_run(&self, form: Form, host: Host) -> bool {
        match (self.kind, form) {
            (Kind::Ours, Form::Plain) => false,
            (Kind::Simple, Form::Linked) => host == Host::System,
            _ => true,
        }
    }

    pub fn source(&self) -> String {
        format!("{}{}.c", self.kind.folder(), self.name)
    }

    fn object(&self, workshop: &Workshop, host: Host) -> Result<PathBuf, String> {
        self.object[usize::from(is_4(host))]
            .get_or_init(|| object(workshop, host, &self.source(), &format!("{}.o", self.name)))
            .clone()
    }

    /// The program as it is linked for `form`. The programs of `ours/` need the symbols at link time as well. When sslcache is
    /// preloaded, they find the library that they were linked with in the process, and nowhere else.
    pub fn executable(
        &self,
        workshop: &Workshop,
        form: Form,
        host: Host,
    ) -> Result<PathBuf, String> {
        let form = match form {
            Form::Preloaded | Form::Replaced if self.kind != Kind::Ours => Form::Plain,
            Form::Preloaded => Form::Linked,
            form => form,
        };
        let mut executables = self.executables[usize::from(is_4(host))]
            .lock()
            .map_err(|error| error.to_string())?;
        let built = executables.entry(form).or_insert_with(|| {
            let objects = [self.object(workshop, host)?, common_object(workshop, host)?];
            linked(workshop, form, host, &self.name, &objects)
        });
        built.clone()
    }

    /// The command, and the agent that has to be there while it runs, if any.
    pub fn command(
        &self,
        workshop: &Workshop,
        form: Form,
        host: Host,
    ) -> Result<(Command, Option<Agent>), String> {
        let mut command = Command::new(self.executable(workshop, form, host)?);
        workshop.prepare(&mut command, form, host)?;
        let mut agent = self.set(workshop, &mut command)?;
        if form == Form::Plain {
            agent = None;
            command.env_remove("SSLCACHE_AGENT");
        }
        Ok((command, agent))
    }

    /// Sets the variables that the program's first comment names in lines like `settings: SSLCACHE_GROUP=certificate`, and
    /// starts the [`Agent`] that it asks for in a line like `agent: keeps the sessions of all hosts`.
    pub fn set(&self, workshop: &Workshop, command: &mut Command) -> Result<Option<Agent>, String> {
        let file = workshop.source.join(self.source());
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let comment = text
            .lines()
            .take_while(|line| !line.starts_with("#include"));
        let mut agent = None;
        for line in comment {
            if let Some(settings) = line.strip_prefix(" * settings: ") {
                let settings = settings.split_whitespace();
                command.envs(settings.filter_map(|setting| setting.split_once('=')));
            } else if line.starts_with(" * agent: ") {
                command.env("SSLCACHE_AGENT", agent.insert(Agent::start()?).socket());
            }
        }
        Ok(agent)
    }

    pub fn run(&self, workshop: &Workshop, form: Form, host: Host) -> Result<String, String> {
        let (mut command, _agent) = self.command(workshop, form, host)?;
        run::silent(&mut command, LIMIT)
    }

    /// The output on the plain host, which is the reference. The program runs once for it.
    pub fn plain(&self, workshop: &Workshop, host: Host) -> Result<&str, String> {
        let output =
            self.plain[host as usize].get_or_init(|| self.run(workshop, Form::Plain, host));
        output
            .as_deref()
            .map_err(|error| format!("on the plain host: {error}"))
    }

    /// The output that a program of `ours/` must print.
    pub fn expected(&self, workshop: &Workshop) -> Result<String, String> {
        let file = workshop.source.join("expected").join(&self.name);
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    }
}
