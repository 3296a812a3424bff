//! A server process in a folder of its own, and the files and output that it leaves.

use crate::Outcome;
use crate::fixture::{Fixture, Folder};
use crate::form::{Form, Protocol};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The time that a server may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A started server. On drop it ends, with all processes that it has made.
pub struct Server {
    child: Child,
    stderr: PathBuf,
}

/// The folder of a run, and the environment of the programs in it.
pub struct Place<'a> {
    pub fixture: &'a Fixture,
    pub folder: Folder,
    probed: bool,
    environment: Vec<(&'static str, OsString)>,
}

impl<'a> Place<'a> {
    pub fn new(fixture: &'a Fixture) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            fixture,
            folder: Folder::new()?,
            probed: true,
            environment: Vec::new(),
        })
    }

    /// A place whose programs run without the probe, as users run them.
    pub fn unprobed(fixture: &'a Fixture) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            probed: false,
            ..Self::new(fixture)?
        })
    }

    /// Sets a variable in the environment of all later commands.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// The socket that a server listens on, if it can use one: sockets do not clash as ports do.
    pub fn socket(&self) -> String {
        self.file("socket").display().to_string()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// A command in `form` and in this folder, with the probe unless the place has none.
    pub fn command(&self, program: &str, form: Form) -> Command {
        self.prepared(Command::new(program), form)
    }

    /// Prepares an existing command in the same way.
    pub fn prepared(&self, mut command: Command, form: Form) -> Command {
        if self.probed {
            self.fixture.probe(&mut command, form, &self.file("probe"));
        } else {
            form.prepare(&mut command, self.fixture.stage.as_deref(), None);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder.path);
        command
    }

    /// Starts the server, and the clients, which wait until it listens. Checks that the server is in `form`, ends it with
    /// `signal` and reads the probe's report. Its stderr must be empty.
    pub fn serve(
        &self,
        command: Command,
        form: Form,
        protocol: Protocol,
        address: &str,
        signal: i32,
    ) -> Result<Outcome, Box<dyn Error>> {
        let mut server = Server::start(command, self.file("stderr"))?;
        let resumed = server.visit(self.fixture.client(Form::Plain, address, protocol))?;
        server.check_form(form, self.fixture.stage.as_deref())?;
        server.stop(signal)?;
        Ok(Outcome {
            resumed,
            told: self.told(form)?,
        })
    }

    /// The sums of the program's counters over its contexts and processes, as the probe has written them; empty if the program
    /// frees no context.
    pub fn told(&self, form: Form) -> Result<String, Box<dyn Error>> {
        let report = fs::read_to_string(self.file("probe")).unwrap_or_default();
        let ours = form.file(self.fixture.stage.as_deref().unwrap_or(Path::new("-")));
        let mut sums = BTreeMap::new();
        for (name, value) in report
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
        {
            if name == "sslcache" {
                let found = Path::new(value).canonicalize().ok();
                if found != ours {
                    return Err(format!("the probe met {found:?}, expected {ours:?}").into());
                }
            } else if name == "host.number" && form != Form::Plain && value.parse::<u64>()? > 1 {
                // One may be the sentinel of sslcache, whose removal announces the end of a context on some hosts.
                return Err(format!("{value} sessions are in the host's cache too").into());
            } else if let Some(name) = name.strip_prefix("app.") {
                *sums.entry(name).or_insert(0) += value.parse::<u64>()?;
            }
        }
        let words: Vec<_> = sums
            .iter()
            .map(|(name, sum)| format!("{name}={sum}"))
            .collect();
        Ok(words.join(" "))
    }
}

impl Server {
    pub fn start(mut command: Command, stderr: PathBuf) -> Result<Self, Box<dyn Error>> {
        let log = File::create(&stderr)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // httpd's prefork ends with a signal to its whole process group, which must not be that of the tests.
        command.process_group(0);
        // SAFETY: prctl is async-signal-safe, and nothing is allocated between fork and exec.
        unsafe {
            command.pre_exec(|| {
                // In another group, the server gets no Ctrl-C from the terminal: it ends with the tests instead.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        let child = command.spawn().map_err(|error| {
            format!(
                "{:?}: {error}; run: tools/install-deps test",
                command.get_program()
            )
        })?;
        Ok(Self { child, stderr })
    }

    /// Starts the clients, which wait until the server listens. If the server ends first, they are ended.
    pub fn visit(&mut self, mut client: Command) -> Result<String, Box<dyn Error>> {
        client.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut visit = client.spawn()?;
        // Read meanwhile: a client that prints more than a pipe holds would never end.
        let mut stdout = visit.stdout.take().ok_or("no stdout")?;
        let words = thread::spawn(move || {
            let mut words = String::new();
            stdout.read_to_string(&mut words).map(|_| words)
        });
        while visit.try_wait()?.is_none() {
            thread::sleep(Duration::from_millis(5));
            if self
                .child
                .try_wait()?
                .is_some_and(|status| !status.success())
            {
                // The signal goes to `timeout`, which passes it on.
                signal(&visit, libc::SIGTERM);
                break;
            }
        }
        let output = visit.wait_with_output()?;
        let said = String::from_utf8(output.stderr)?;
        if !output.status.success() || !said.is_empty() {
            return Err(
                format!("{client:?}: {}\n{said}{}", output.status, self.complaints()).into(),
            );
        }
        let words = words.join().map_err(|_| "the reader panicked")??;
        Ok(words.trim_end().to_owned())
    }

    /// The server's output on stdout and stderr.
    fn complaints(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The server and all processes that it has forked.
    pub fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        let mut next = 0;
        while let Some(&parent) = all.get(next) {
            let path = format!("/proc/{parent}/task/{parent}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
            next += 1;
        }
        all
    }

    /// Checks that every process has mapped our file or, in the plain form, that none has.
    pub fn check_form(&self, form: Form, stage: Option<&Path>) -> Result<(), Box<dyn Error>> {
        for pid in self.processes() {
            check_process(pid, form, stage)?;
        }
        Ok(())
    }

    /// As `check_form`, for programs of which only some processes use libssl. There must be at least one.
    pub fn check_form_of_users(
        &self,
        form: Form,
        stage: Option<&Path>,
    ) -> Result<(), Box<dyn Error>> {
        let mut users = 0;
        for pid in self.processes() {
            let maps = match fs::read_to_string(format!("/proc/{pid}/maps")) {
                Ok(maps) => maps,
                // A process that has changed its user id can be examined by root only.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    users += 1;
                    continue;
                }
                // A process that was made for a connection has ended meanwhile.
                Err(_) => continue,
            };
            if maps.contains("/libssl.so") {
                check_process(pid, form, stage)?;
                users += 1;
            }
        }
        if users == 0 {
            return Err("no process of it has libssl".into());
        }
        Ok(())
    }

    /// Sends a signal.
    pub fn signal(&self, number: i32) {
        signal(&self.child, number);
    }

    /// Ends the server, within a time limit. It must exit as that signal makes a server exit, and print nothing.
    pub fn stop(&mut self, number: i32) -> Result<(), Box<dyn Error>> {
        let (status, said) = self.end(number)?;
        if !(status.success() || status.signal() == Some(number)) || !said.is_empty() {
            return Err(format!("{status}\n{said}").into());
        }
        Ok(())
    }

    /// As `stop`, for programs that print text, which must not be about sslcache. The exit code may be that of the signal, as in
    /// a shell.
    pub fn dismiss(&mut self, number: i32) -> Result<(), Box<dyn Error>> {
        let (status, said) = self.end(number)?;
        let ended = status.signal() == Some(number) || status.code() == Some(128 + number);
        let of_us = ["sslcache:", "libsslcache", "ld.so"];
        if !(status.success() || ended) || of_us.iter().any(|words| said.contains(words)) {
            return Err(format!("{status}\n{said}").into());
        }
        Ok(())
    }

    fn end(&mut self, number: i32) -> Result<(ExitStatus, String), Box<dyn Error>> {
        signal(&self.child, number);
        let status = self.wait()?.ok_or("does not go when told to")?;
        Ok((status, self.complaints()))
    }

    pub fn wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() > end {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        let all = self.processes();
        signal(&self.child, libc::SIGTERM);
        if let Ok(None) = self.wait() {
            for pid in all {
                // SAFETY: kill takes two numbers. The ids were read a moment ago.
                unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
            }
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a child; 0 only checks that the process exists.
fn signal(child: &Child, number: i32) {
    // SAFETY: kill takes two numbers. `child` is borrowed, so it has not been waited for, and the id is its own.
    unsafe { libc::kill(child.id().cast_signed(), number) };
}

/// Checks the maps of a process, unless it ends meanwhile: one that was made for a connection may. Its maps are then empty, or,
/// as they are read piece by piece, lack their end.
fn check_process(pid: u32, form: Form, stage: Option<&Path>) -> Result<(), Box<dyn Error>> {
    for is_last in [false, true] {
        let maps = match fs::read_to_string(format!("/proc/{pid}/maps")) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(error.into());
            }
            maps => maps.unwrap_or_default(),
        };
        if maps.is_empty() {
            return Ok(());
        }
        match check_maps(&maps, form, stage) {
            Ok(()) => return Ok(()),
            Err(error) if is_last => return Err(format!("process {pid}: {error}").into()),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

/// Checks that `maps`, from /proc/PID/maps, names our file in a form of sslcache, and none of our files in the plain one.
pub fn check_maps(maps: &str, form: Form, stage: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let stage = stage.unwrap_or(Path::new("/nonexistent"));
    let has = |file: &Path| {
        maps.lines()
            .any(|line| line.ends_with(&*file.to_string_lossy()))
    };
    let ours = [Form::Preloaded, Form::Replacement].map(|form| form.file(stage));
    match form.file(stage) {
        Some(file) if !has(&file) => Err(format!("{} is not in it", file.display()).into()),
        None if ours.iter().flatten().any(|file| has(file)) => {
            Err("sslcache is in it, in the plain run".into())
        }
        _ => Ok(()),
    }
}

/// A port for servers that cannot listen on a socket. It was free a moment ago. If it is taken meanwhile, the server reports
/// it, and the clients, which insist on our certificate, refuse another server.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
