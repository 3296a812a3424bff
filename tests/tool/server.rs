//! A live server under `sslcache run`: nginx with two workers that use libssl's cache, and its clients.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::tool::{Folder, Outcome, Tool, compile, is_root, said};

/// The time that a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a certificate and its key: cert.pem and key.pem.
pub fn certify(folder: &Folder) -> Outcome {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
                 -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
                 -keyout key.pem -out cert.pem";
    let mut openssl = Command::new("openssl");
    openssl
        .args(words.split_whitespace())
        .current_dir(&folder.0);
    let said = said(&mut openssl)?;
    (said.code == 0)
        .then_some(())
        .ok_or_else(|| said.err.into())
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16, Box<dyn Error>> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// nginx, started by `sslcache run` or plain. It ends on drop.
pub struct Server {
    child: Child,
    pub folder: Folder,
    pub runtime: Folder,
    client: PathBuf,
}

/// nginx by `sslcache run`, without its arguments.
fn by_run(tool: &Tool, options: &[&str], runtime: &Folder) -> Command {
    let mut command = tool.command(&runtime.0);
    command.arg("run").args(options).args(["--", "nginx"]);
    command
}

/// Starts nginx in its folder.
fn spawn(mut command: Command, folder: &Folder) -> Result<Child, Box<dyn Error>> {
    let log = File::create(folder.file("log"))?;
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]);
    command
        .arg(&folder.0)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command.spawn()?)
}

impl Server {
    /// Starts nginx with these options of `sslcache run` and these lines of configuration.
    pub fn start(tool: &Tool, options: &[&str], settings: &str) -> Result<Self, Box<dyn Error>> {
        let runtime = Folder::new()?;
        Self::begin(by_run(tool, options, &runtime), runtime, settings)
    }

    /// The same without sslcache.
    pub fn start_plain(settings: &str) -> Result<Self, Box<dyn Error>> {
        Self::begin(Command::new("nginx"), Folder::new()?, settings)
    }

    fn begin(command: Command, runtime: Folder, settings: &str) -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new()?;
        certify(&folder)?;
        let client = folder.file("client");
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers");
        let include = format!("-I{sources}");
        let visits = format!("{sources}/visits.c");
        let flags = ["-std=gnu11", "-O2", &include, &visits, "-lssl", "-lcrypto"];
        compile(
            &fs::read_to_string(format!("{sources}/client.c"))?,
            &client,
            &flags,
        )?;
        let user = if is_root() { "user root;" } else { "" };
        let socket = folder.file("socket");
        let text = format!(
            "daemon off; worker_processes 2; {user} pid nginx.pid; error_log stderr warn; events {{ }}
             http {{
                 access_log off; keepalive_timeout 0; client_body_temp_path t; proxy_temp_path t;
                 fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
                 server {{
                     listen unix:{} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;
                     ssl_protocols TLSv1.2 TLSv1.3; {settings}
                     location / {{ return 200 \"hello\\n\"; }}
                 }}
             }}",
            socket.display()
        );
        fs::write(folder.file("nginx.conf"), text)?;
        let mut server = Self {
            child: spawn(command, &folder)?,
            folder,
            runtime,
            client,
        };
        server.wait_for_socket()?;
        Ok(server)
    }

    fn wait_for_socket(&mut self) -> Outcome {
        let end = Instant::now() + PATIENCE;
        while !self.folder.file("socket").exists() {
            if self.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(format!("nginx does not listen: {}", self.log()).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends nginx and starts it again, with the same configuration.
    pub fn restart(&mut self, tool: &Tool, options: &[&str]) -> Outcome {
        self.stop()?;
        for file in ["socket", "nginx.pid"] {
            let _ = fs::remove_file(self.folder.file(file)); // nginx has removed them
        }
        self.child = spawn(by_run(tool, options, &self.runtime), &self.folder)?;
        self.wait_for_socket()
    }

    /// Has nginx read its configuration again, and waits until the workers of before are gone.
    pub fn reload(&self) -> Outcome {
        let before = self.workers()?;
        // SAFETY: kill takes two numbers. nginx runs, and has written its id itself.
        unsafe { libc::kill(self.pid()?.cast_signed(), libc::SIGHUP) };
        self.wait_for_others(before.len(), &before)
    }

    /// Kills a worker, and waits until another has taken its place.
    pub fn kill_a_worker(&self) -> Outcome {
        let workers = self.workers()?;
        let killed = *workers.first().ok_or("no worker")?;
        // SAFETY: kill takes two numbers. The worker is a child of nginx, which has not been told to end.
        unsafe { libc::kill(killed.cast_signed(), libc::SIGKILL) };
        self.wait_for_others(workers.len(), &[killed])
    }

    fn workers(&self) -> Result<Vec<u32>, Box<dyn Error>> {
        let pid = self.pid()?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(children.split_whitespace().flat_map(str::parse).collect())
    }

    /// Waits until there are so many workers, and none of those `gone`.
    fn wait_for_others(&self, number: usize, gone: &[u32]) -> Outcome {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.workers()?;
            if now.len() == number && now.iter().all(|worker| !gone.contains(worker)) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("its workers are {now:?}: {}", self.log()).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Connects many times at once, and does nothing more: single connections would all be served by the same idle worker.
    pub fn knock(&self) {
        let socket = self.folder.file("socket");
        let visits: Vec<_> = (0..32).map(|_| UnixStream::connect(&socket)).collect();
        drop(visits);
    }

    /// The master process of nginx.
    pub fn pid(&self) -> Result<u32, Box<dyn Error>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(self.folder.file("nginx.pid")).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) => return Ok(pid),
                Err(error) if Instant::now() > end => {
                    return Err(format!("nginx.pid: {error}").into());
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Its label in the text for Prometheus. It may be that of the service by which the tests run.
    pub fn label(&self, tool: &Tool) -> Result<String, Box<dyn Error>> {
        let stat = tool.say(
            &self.runtime.0,
            &["stat", "--json", "--pid", &self.pid()?.to_string()],
        )?;
        let service = stat.out.lines().find_map(|line| {
            line.trim()
                .strip_prefix("\"service\": \"")?
                .split('"')
                .next()
        });
        Ok(format!("service={}", service.ok_or(stat.err)?))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.file("log")).unwrap_or_default()
    }

    /// The command that makes twenty clients visit twice.
    fn clients(&self, protocol: &str) -> Command {
        let mut client = Command::new("timeout");
        client
            .arg("60")
            .arg(&self.client)
            .arg(self.folder.file("socket"))
            .arg(self.folder.file("cert.pem"))
            .args([protocol, "20"]);
        client
    }

    /// Twenty clients visit twice. Returns `full=20 resumed=20 held=server`.
    pub fn visit(&self, protocol: &str) -> Result<String, Box<dyn Error>> {
        let said = said(&mut self.clients(protocol))?;
        if said.code != 0 {
            return Err(format!("{}{}", said.err, self.log()).into());
        }
        Ok(said.out.trim_end().to_owned())
    }

    /// The same, with a call of the tool between the two visits.
    pub fn visit_with_flush(
        &self,
        tool: &Tool,
        protocol: &str,
        arguments: &[&str],
    ) -> Result<String, Box<dyn Error>> {
        let mut client = self.clients(protocol);
        client
            .arg("pause")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut client = client.spawn()?;
        let mut answers = BufReader::new(client.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        answers.read_line(&mut line)?; // the first visits are complete
        let said = tool.say(&self.runtime.0, arguments)?;
        client.stdin.take().ok_or("no stdin")?.write_all(b"\n")?;
        line.clear();
        answers.read_line(&mut line)?;
        client.wait()?;
        if said.code != 0 {
            return Err(format!("{said:?}").into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Ends nginx as a service manager does.
    pub fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        if self.child.try_wait()?.is_none() {
            // SAFETY: kill takes two numbers. The child has not been waited for, so the id is still its own.
            unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        }
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                self.child.kill()?;
                return Err("nginx does not go when told to".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}
