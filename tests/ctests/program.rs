//! A C program: its object file is built once, linked in two ways, and run in every form.

use crate::agent::Agent;
use crate::form::{Form, Host};
use crate::run;
use crate::stage;
use crate::workshop::{Workshop, limit};
use std::collections::HashMap;
use std::env;
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
/// One value for each line of releases, whose headers and library names differ.
type OfEach<T> = [T; Host::LINES];

pub struct Program {
    pub name: String,
    pub kind: Kind,
    /// The oldest OpenSSL that has all functions that the program uses: 1.1.1, unless its first comment says
    /// `needs: OpenSSL 3.5` or the like.
    needs: [u32; 2],
    /// OpenSSL 1.1.1 itself hangs in it: its first comment says so. Ours must print there what it prints on 3.0.
    hangs_on_111: bool,
    /// It needs an [`Agent`]: its first comment says so.
    needs_agent: bool,
    /// It needs the kernel itself, and no emulator of it: its first comment says so.
    needs_kernel: bool,
    object: OfEach<Built>,
    executables: OfEach<Mutex<HashMap<Form, Result<PathBuf, String>>>>,
    plain: [OnceLock<Result<String, String>>; Host::ALL.len()],
}

static COMMON: OfEach<Built> = [const { OnceLock::new() }; Host::LINES];

/// `common.c`, of which every program has a copy.
pub fn common_object(workshop: &Workshop, host: Host) -> Result<PathBuf, String> {
    COMMON[host.line()]
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
    let Some(release) = host.release() else {
        return workshop.compile(source, name, &[]);
    };
    let include = workshop.made(host)?.join("host/include");
    // Its headers differ in const and deprecated from those of OpenSSL 3.
    let flags = ["-w", "-isystem", &include.to_string_lossy()];
    workshop.compile(source, &format!("{}/{name}", release.name), &flags)
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
    libraries.extend(workshop.libraries(form, host)?);
    let mut inputs: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
    inputs.extend(objects.iter().map(|object| object as &dyn AsRef<_>));
    inputs.extend(libraries.iter().map(|library| library as &dyn AsRef<_>));
    let folder = host.release().map_or("", |release| release.name);
    workshop.link(
        format!("{folder}/{form}/{name}").trim_start_matches('/'),
        &inputs,
    )
}

/// The release that a first comment names in a line like `needs: OpenSSL 3.0`.
fn needed(text: &str) -> [u32; 2] {
    let named = comment_of(text)
        .find_map(|line| line.strip_prefix(" * needs: OpenSSL "))
        .and_then(|release| release.get(..3)?.split_once('.'));
    let number = |part: &str| part.parse().unwrap_or_default();
    named.map_or([1, 1], |(major, minor)| [number(major), number(minor)])
}

/// The lines before the first include.
fn comment_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#include"))
}

/// True if each program is to run in each form on each host.
fn runs_all_forms() -> bool {
    env::var_os("SSLCACHE_ALL_FORMS").is_some()
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
            programs.extend(names.into_iter().map(|name| {
                let file = workshop
                    .source
                    .join(kind.folder())
                    .join(format!("{name}.c"));
                let text = fs::read_to_string(file).unwrap_or_default();
                let says = |what: &str| comment_of(&text).any(|line| line.starts_with(what));
                Self {
                    needs: needed(&text),
                    hangs_on_111: says(" * hangs: OpenSSL 1.1.1"),
                    needs_agent: says(" * agent: "),
                    needs_kernel: says(" * needs: seccomp"),
                    name,
                    kind,
                    object: Default::default(),
                    executables: Default::default(),
                    plain: Default::default(),
                }
            }));
        }
        // The agent is this runner's.
        if !workshop.has_our_byte_order() {
            programs.retain(|program| !program.needs_agent);
        }
        if stage::other_target().is_some() {
            programs.retain(|program| !program.needs_kernel);
        }
        programs
    }

    /// Whether the program runs in this form on this host.
    ///
    /// A linked library and a preloaded one come before libssl in the same way: which of libssl's own calls reach it is a
    /// matter of the host, and not of how it came there. So the programs with one thread, which are most, run linked on the
    /// system's host alone, and preloaded and replaced on each. The others, and those of `loading`, run in all forms.
    ///
    /// The hosts of other releases are linked as the `bsymbolic` host is, and met in each form in the same way: there the forms
    /// take [turns](Self::has_turn), and on all but 4.0 every other program runs.
    pub fn is_run(&self, form: Form, host: Host) -> bool {
        match (self.kind, form) {
            (Kind::Ours, Form::Plain) => false,
            _ if host.number() < self.needs => false,
            _ if host.runs_every_other() && !self.has_turn(2) => false,
            (_, Form::Plain) if self.reference(host) != host => false,
            (_, Form::Linked | Form::Replaced) if host.runs_every_other() => self.has_turn(6),
            (Kind::Simple, Form::Linked) => host == Host::System || runs_all_forms(),
            (Kind::Simple, Form::Replaced) if host == Host::Openssl4 => self.has_turn(3),
            _ => true,
        }
    }

    /// True for one program of so many, and for all if `SSLCACHE_ALL_FORMS` is set, as `make test-forms` does. A program keeps its
    /// turn when others come and go.
    pub fn has_turn(&self, of: u32) -> bool {
        let sum: u32 = self.name.bytes().map(u32::from).sum();
        sum.is_multiple_of(of) || runs_all_forms()
    }

    pub fn source(&self) -> String {
        format!("{}{}.c", self.kind.folder(), self.name)
    }

    fn object(&self, workshop: &Workshop, host: Host) -> Result<PathBuf, String> {
        self.object[host.line()]
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
        let mut executables = self.executables[host.line()]
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
        let mut agent = None;
        for line in comment_of(&text) {
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
        run::silent(&mut command, limit())
    }

    /// The host whose plain output is the reference for `host`.
    pub fn reference(&self, host: Host) -> Host {
        match host {
            Host::Openssl111 | Host::Openssl111k if self.hangs_on_111 => Host::System,
            host => host,
        }
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
