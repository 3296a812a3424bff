//! Running servers, and the client that returns to them.

use super::{Count, VISITS};
use crate::fixture::{is_root, run};
use crate::form::{Form, Protocol};
use crate::server::{Place, Server};
use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{io, thread};

/// The file that FTP servers offer.
pub const FILE: &str = "file";
pub const CONTENTS: &str = "hello\n";

/// One server or several, their addresses and protocol.
pub struct Running {
    servers: Vec<Server>,
    addresses: Vec<String>,
    talk: &'static str,
    signal: i32,
}

impl Running {
    /// An HTTP server that ends on SIGTERM, unless `talking` and `ended_by` change that.
    pub fn start(
        place: &Place,
        command: Command,
        address: impl Into<String>,
    ) -> Result<Self, Box<dyn Error>> {
        Self::start_several(place, [(command, address.into())])
    }

    /// Servers with one address each. The client visits them in turn.
    pub fn start_several(
        place: &Place,
        commands: impl IntoIterator<Item = (Command, String)>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut running = Self {
            servers: Vec::new(),
            addresses: Vec::new(),
            talk: "http",
            signal: libc::SIGTERM,
        };
        for (command, address) in commands {
            let log = place.file(&format!("log{}", running.servers.len()));
            running.servers.push(Server::start(command, log)?);
            running.addresses.push(address);
        }
        Ok(running)
    }

    /// Adds an address that the client visits in turn.
    pub fn also_at(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    pub fn talking(self, talk: &'static str) -> Self {
        Self { talk, ..self }
    }

    pub fn ended_by(self, signal: i32) -> Self {
        Self { signal, ..self }
    }

    /// The client makes all its visits; then the servers are ended.
    pub fn come_back(
        mut self,
        place: &Place,
        form: Form,
        protocol: Protocol,
    ) -> Result<Count, Box<dyn Error>> {
        let visits = VISITS.to_string();
        let mut what = vec![visits.as_str(), self.talk];
        what.extend(self.addresses.iter().map(String::as_str));
        let client = place.fixture.visitor("returning", protocol, what);
        let said = self.visit(client)?;
        self.end(place, form)?;
        let count = Count {
            resumed: figure(&said, "resumed")?,
            held: figure(&said, "held")?,
        };
        Ok(count)
    }

    /// Transfers a file from the server at a port to a user with a password, ten times for each login, each over a data
    /// connection of its own. A refusal ends the client and fails the test.
    pub fn transfer(
        mut self,
        place: &Place,
        form: Form,
        protocol: Protocol,
        [port, user, password]: [&str; 3],
    ) -> Result<Count, Box<dyn Error>> {
        let transfers = VISITS.to_string();
        let what = [port, &transfers, user, password, FILE];
        let said = self.visit(place.fixture.visitor("ftps", protocol, what))?;
        self.end(place, form)?;
        if figure(&said, "bytes")? != VISITS * CONTENTS.len() as u32 {
            return Err(said.into());
        }
        Ok(Count {
            resumed: figure(&said, "resumed")?,
            held: VISITS,
        })
    }

    /// Runs another client, and returns its output.
    pub fn visit(&mut self, client: Command) -> Result<String, Box<dyn Error>> {
        self.servers[0].visit(client)
    }

    /// The first server.
    pub fn server(&self) -> &Server {
        &self.servers[0]
    }

    /// Checks which library the servers use, and ends them.
    pub fn end(mut self, place: &Place, form: Form) -> Result<(), Box<dyn Error>> {
        for server in &mut self.servers {
            server.check_form_of_users(form, place.fixture.stage.as_deref())?;
            server.dismiss(self.signal)?;
        }
        Ok(())
    }
}

/// The number behind `name=`.
pub fn figure(said: &str, name: &str) -> Result<u32, Box<dyn Error>> {
    let number = said
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value));
    Ok(number
        .ok_or_else(|| format!("{said:?} tells no {name}"))?
        .parse()?)
}

/// Waits until `condition` holds, for at most ten seconds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        if Instant::now() > end {
            return Err(format!("waited in vain: {what}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Switches tickets off for a program that has no such setting: libssl reads its configuration for all contexts.
pub fn without_tickets(place: &Place, command: &mut Command) -> io::Result<()> {
    let text = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n\
                [tls]\nOptions = -SessionTicket\n";
    command.env("OPENSSL_CONF", place.write("openssl.cnf", text)?);
    Ok(())
}

/// The account of a server that drops privileges: another user, or the one who runs the tests if that is not root.
pub struct Account {
    pub user: String,
    pub group: String,
}

impl Account {
    pub fn of(name: &str) -> Result<Self, Box<dyn Error>> {
        let who = if is_root() { vec![name] } else { Vec::new() };
        Ok(Self {
            user: id("-un", &who)?,
            group: id("-gn", &who)?,
        })
    }

    /// A command that runs as this account.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command, Box<dyn Error>> {
        let mut command = Command::new(program);
        if is_root() {
            let [user, group] = self.numbers()?;
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    /// Gives a file or folder of the tests to this account.
    pub fn give(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        if is_root() {
            let [user, group] = self.numbers()?;
            std::os::unix::fs::chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn numbers(&self) -> Result<[u32; 2], Box<dyn Error>> {
        let number = |what| Ok::<_, Box<dyn Error>>(id(what, &[&self.user])?.parse()?);
        Ok([number("-u")?, number("-g")?])
    }
}

fn id(what: &str, who: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = run(Command::new("id").arg(what).args(who))?;
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
