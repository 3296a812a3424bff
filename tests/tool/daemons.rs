//! Servers as Debian starts them: the tool shows their figures, and they leave no page.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::server::certify;
use crate::tool::{Folder, Outcome, Tool, has_in_order, is_root, said};

pub const CASES: &[Case] = &[
    ("nginx that daemonizes shows its figures", nginx),
    ("httpd that daemonizes shows its figures", httpd),
    (
        "haproxy -W shows its worker's figures over reloads, and leaves no page",
        |tool| haproxy(tool, "-W"),
    ),
    (
        "haproxy -Ws shows its worker's figures over reloads, and leaves no page",
        |tool| haproxy(tool, "-Ws"),
    ),
];

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon, which is in no list of children; it ends on drop.
pub struct Daemon(pub u32);

impl Daemon {
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers. The test has started the process, and the pid namespace is the test's.
        unsafe { libc::kill(self.0.cast_signed(), signal) };
    }

    /// Waits until the process is gone.
    pub fn wait(&self) -> Outcome {
        let there = format!("/proc/{}/exe", self.0);
        wait_until("the daemon ends", || fs::read_link(&there).is_err())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > end {
            return Err(format!("in vain: {what}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A program with the cache preloaded, as a unit's drop-in does it.
pub fn preloaded(tool: &Tool, program: &str, runtime: &Folder) -> Command {
    let mut command = Command::new(program);
    command
        .env("LD_PRELOAD", tool.stage.join("lib/libsslcache.so.0"))
        .env("XDG_RUNTIME_DIR", &runtime.0)
        .env_remove("SSLCACHE_STAGE")
        .stdin(Stdio::null());
    command
}

pub fn pages(runtime: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(runtime.file("sslcache"));
    let entries = entries.into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The id in a file that a server writes.
fn id_in(file: PathBuf) -> Result<u32, Box<dyn Error>> {
    let mut id = None;
    wait_until("the server writes its id", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        id = text.trim().parse().ok();
        id.is_some()
    })?;
    id.ok_or_else(|| "no id".into())
}

pub fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().flat_map(str::parse).collect()
}

/// Connects by TLS once. Returns whether that succeeded.
fn visit(address: &[&str]) -> bool {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-servername", "localhost"]);
    client.args(address).stdin(Stdio::null());
    said(&mut client).is_ok_and(|client| client.code == 0)
}

/// Visits until the tool shows a handshake of this process; where another one serves, the folder of the tool is its own.
fn shows_figures(tool: &Tool, runtime: &Folder, pid: u32, address: &[&str]) -> Outcome {
    let mut last = None;
    let seen = wait_until("figures", || {
        let is_visited = visit(address);
        last = tool
            .say(&runtime.0, &["stat", "--json", "--pid", &pid.to_string()])
            .ok();
        let shown = last.as_ref().map_or("", |stat| &stat.out);
        let has_id = shown.contains(&format!("\"pid\": {pid},"));
        let handshakes = shown
            .split("\"handshakes\": ")
            .skip(1)
            .any(|rest| !rest.starts_with('0'));
        is_visited && has_id && handshakes
    });
    seen.map_err(|error| format!("{error}: {last:?}").into())
}

fn nginx(tool: &Tool) -> Outcome {
    let (folder, runtime, elsewhere) = (Folder::new()?, Folder::new()?, Folder::new()?);
    certify(&folder)?;
    let socket = folder.file("socket").display().to_string();
    let user = if is_root() { "user www-data;" } else { "" };
    let text = format!(
        "pid nginx.pid; error_log log; worker_processes 2; {user} events {{ }}
         http {{
             access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
             uwsgi_temp_path t; scgi_temp_path t;
             server {{ listen unix:{socket} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem; }}
         }}"
    );
    fs::write(folder.file("nginx.conf"), text)?;
    // The parent of the daemon ends at once, often before the daemon has run: several times, as only some would show it.
    for _ in 0..4 {
        let mut start = preloaded(tool, "nginx", &runtime);
        start.args(["-g", "daemon on; master_process on;", "-e", "log"]);
        start.args(["-c", "nginx.conf", "-p"]).arg(&folder.0);
        let start = said(start.current_dir(&folder.0))?;
        assert_eq!(start.code, 0, "{}", start.err);
        let master = Daemon(id_in(folder.file("nginx.pid"))?);
        wait_until("two workers", || children(master.0).len() == 2)?;
        // The tool finds the page by the process, and all pages by all processes.
        shows_figures(tool, &elsewhere, master.0, &["-unix", &socket])?;
        let stat = tool.say(&elsewhere.0, &["stat"])?;
        has_in_order(&stat.out, &[&master.0.to_string(), "nginx"])?;
        let doctor = tool.say(&elsewhere.0, &["doctor", "--pid", &master.0.to_string()])?;
        has_in_order(&doctor.out, &["is active"])?;
        assert_eq!(pages(&runtime).len(), 1);
        master.signal(libc::SIGQUIT);
        master.wait()?;
        assert_eq!(pages(&runtime), Vec::<PathBuf>::new());
    }
    Ok(())
}

fn httpd(tool: &Tool) -> Outcome {
    const MODULES: &str = "/usr/lib/apache2/modules";
    let (folder, runtime) = (Folder::new()?, Folder::new()?);
    certify(&folder)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let user = match is_root() {
        true => "User www-data\nGroup www-data",
        false => "",
    };
    let text = format!(
        "ServerName localhost
         Listen 127.0.0.1:{port}
         PidFile httpd.pid
         DefaultRuntimeDir .
         LoadModule mpm_event_module {MODULES}/mod_mpm_event.so
         LoadModule authz_core_module {MODULES}/mod_authz_core.so
         LoadModule ssl_module {MODULES}/mod_ssl.so
         {user}
         ErrorLog error.log
         SSLEngine on
         SSLSessionCache none
         SSLCertificateFile cert.pem
         SSLCertificateKeyFile key.pem\n"
    );
    fs::write(folder.file("httpd.conf"), text)?;
    let run = |order| {
        let mut httpd = preloaded(tool, "apache2", &runtime);
        httpd.arg("-d").arg(&folder.0).args(["-f", "httpd.conf"]);
        said(httpd.args(["-k", order]))
    };
    for _ in 0..3 {
        let start = run("start")?;
        let log = fs::read_to_string(folder.file("error.log")).unwrap_or_default();
        assert_eq!(start.code, 0, "{}{log}", start.err);
        let master = Daemon(id_in(folder.file("httpd.pid"))?);
        let address = format!("127.0.0.1:{port}");
        shows_figures(tool, &runtime, master.0, &["-connect", &address])?;
        assert_eq!(pages(&runtime).len(), 1);
        assert_eq!(run("stop")?.code, 0);
        master.wait()?;
        assert_eq!(pages(&runtime), Vec::<PathBuf>::new());
    }
    Ok(())
}

/// The master executes itself with each reload, and its id and its beginning stay.
fn haproxy(tool: &Tool, way: &str) -> Outcome {
    let (folder, runtime) = (Folder::new()?, Folder::new()?);
    certify(&folder)?;
    fs::create_dir(folder.file("root"))?;
    let both = [
        fs::read(folder.file("cert.pem"))?,
        fs::read(folder.file("key.pem"))?,
    ]
    .concat();
    fs::write(folder.file("both.pem"), both)?;
    let here = folder.0.display();
    // A worker of root's master has neither the rights nor the root to remove a page.
    let rights = match is_root() {
        true => format!("user haproxy\n group haproxy\n chroot {here}/root"),
        false => String::new(),
    };
    let text = format!(
        "global\n {rights}
         defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s
         frontend f\n bind unix@{here}/socket ssl crt {here}/both.pem\n http-request return status 200\n"
    );
    fs::write(folder.file("haproxy.cfg"), text)?;
    let mut start = preloaded(tool, "haproxy", &runtime);
    start.args([way, "-f", "haproxy.cfg", "-p", "haproxy.pid"]);
    let log = fs::File::create(folder.file("log"))?;
    start.current_dir(&folder.0).stderr(log);
    let mut master = Started(start.spawn()?);
    let pid = master.0.id();
    let socket = format!("{here}/socket");
    let mut worker = 0;
    for _ in 0..3 {
        let before = worker;
        wait_until("a new worker, and none of before", || {
            let workers = children(pid);
            worker = workers.first().copied().unwrap_or(0);
            workers.len() == 1 && worker != before
        })?;
        shows_figures(tool, &runtime, worker, &["-unix", &socket])?;
        // Of the worker, and of the master, which is another program now.
        let stat = tool.say(&runtime.0, &["stat"])?;
        has_in_order(&stat.out, &["haproxy"])?;
        assert!(pages(&runtime).len() <= 2, "{:?}", pages(&runtime));
        master.signal(libc::SIGUSR2);
    }
    let last = worker;
    wait_until("the last worker", || {
        let workers = children(pid);
        workers.len() == 1 && workers != [last]
    })?;
    master.signal(libc::SIGTERM);
    master.0.wait()?;
    assert_eq!(pages(&runtime), Vec::<PathBuf>::new());
    Ok(())
}

/// A child of the test, ended on drop.
pub struct Started(pub Child);

impl Started {
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers. The child has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.0.id().cast_signed(), signal) };
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
