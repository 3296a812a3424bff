//! A live server under `sslcache run`: nginx with two workers that use libssl's cache, and its clients.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
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

/// nginx, started by `sslcache run`. It ends on drop.
pub struct Server {
    child: Child,
    pub folder: Folder,
    pub runtime: Folder,
    client: PathBuf,
}

impl Server {
    /// Starts nginx with these options of `sslcache run` and these lines of configuration.
    pub fn start(tool: &Tool, options: &[&str], settings: &str) -> Result<Self, Box<dyn Error>> {
        let (folder, runtime) = (Folder::new()?, Folder::new()?);
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
        let log = File::create(folder.file("log"))?;
        let mut command = tool.command(&runtime.0);
        command.arg("run").args(options).args([
            "--",
            "nginx",
            "-e",
            "stderr",
            "-c",
            "nginx.conf",
            "-p",
        ]);
        command
            .arg(&folder.0)
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn()?;
        let mut server = Self {
            child,
            folder,
            runtime,
            client,
        };
        let end = Instant::now() + PATIENCE;
        while !socket.exists() {
            if server.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(format!("nginx does not listen: {}", server.log()).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
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
