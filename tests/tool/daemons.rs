//! Servers as Debian starts them, and processes that change under their page: daemons, re-execution, chroot, namespaces.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
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
    ("a double fork keeps its page", |tool| daemon(tool, "")),
    (
        "a daemon keeps its page in another root, as another user",
        |tool| daemon(tool, "os.chroot(sys.argv[1]); os.setuid(65534)"),
    ),
    (
        "a daemon without /proc keeps its page, and is known from outside",
        without_proc,
    ),
    (
        "a page in another mount namespace is found, and one without a name",
        hidden_page,
    ),
    (
        "root sweeps the folders of other users, and follows no link",
        folder_of_another,
    ),
    ("doctor says why a process shows no figures", why_no_figures),
    (
        "a child in a pid namespace of its own keeps the page",
        child_in_namespace,
    ),
    (
        "processes of another pid namespace have their ids and names",
        other_namespace,
    ),
];

/// Tests that need the pid namespace of the machine.
pub const CASES_OF_THE_MACHINE: &[Case] = &[(
    "the page of a pid namespace that is gone is swept by root",
    gone_namespace,
)];

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon, which is in no list of children; it ends on drop.
struct Daemon(u32);

impl Daemon {
    fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers. The test has started the process, and the pid namespace is the test's.
        unsafe { libc::kill(self.0.cast_signed(), signal) };
    }

    /// Waits until the process is gone.
    fn wait(&self) -> Outcome {
        let there = format!("/proc/{}/exe", self.0);
        wait_until("the daemon ends", || fs::read_link(&there).is_err())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome {
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
fn preloaded(tool: &Tool, program: &str, runtime: &Folder) -> Command {
    let mut command = Command::new(program);
    command
        .env("LD_PRELOAD", tool.stage.join("lib/libsslcache.so.0"))
        .env("XDG_RUNTIME_DIR", &runtime.0)
        .env_remove("SSLCACHE_STAGE")
        .stdin(Stdio::null());
    command
}

fn pages(runtime: &Folder) -> Vec<PathBuf> {
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

fn children(pid: u32) -> Vec<u32> {
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
struct Started(Child);

impl Started {
    fn signal(&self, signal: i32) {
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

/// A Python program that makes a context, forks twice, does `then`, and tells its id.
fn daemon_program(then: &str) -> String {
    format!(
        "import os, ssl, sys, time\n\
         context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         if os.fork(): sys.exit()\n\
         os.setsid()\n\
         if os.fork(): sys.exit()\n\
         {then}\n\
         context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         os.write(1, str(os.getpid()).encode())\n\
         os.close(1); os.close(2)\n\
         time.sleep(60)\n"
    )
}

fn start_daemon(command: &mut Command, then: &str, folder: &Folder) -> Result<u32, Box<dyn Error>> {
    command.args(["-c", &daemon_program(then)]).arg(&folder.0);
    let daemon = said(command)?;
    let id = daemon.out.trim().parse();
    id.map_err(|_| daemon.err.into())
}

fn daemon(tool: &Tool, then: &str) -> Outcome {
    if !then.is_empty() && !is_root() {
        eprintln!("left out: only root may change its root");
        return Ok(());
    }
    let (folder, runtime) = (Folder::new()?, Folder::new()?);
    let mut python = preloaded(tool, "/usr/bin/python3", &runtime);
    let daemon = Daemon(start_daemon(&mut python, then, &folder)?);
    check_daemon(tool, &runtime, &daemon)
}

/// The tool shows the daemon alone, and removes the page once that is gone.
fn check_daemon(tool: &Tool, runtime: &Folder, daemon: &Daemon) -> Outcome {
    assert_eq!(pages(runtime).len(), 1);
    let stat = tool.say(&runtime.0, &["stat", "--pid", &daemon.0.to_string()])?;
    assert_eq!(stat.code, 0, "{}", stat.err);
    has_in_order(&stat.out, &[&daemon.0.to_string(), "python3"])?;
    assert_eq!(pages(runtime).len(), 1);
    daemon.signal(libc::SIGKILL);
    daemon.wait()?;
    let _ = tool.say(&runtime.0, &["stat"])?;
    assert_eq!(pages(runtime), Vec::<PathBuf>::new());
    Ok(())
}

fn without_proc(tool: &Tool) -> Outcome {
    if !tool.alone {
        eprintln!("left out: /proc cannot be hidden from a process here");
        return Ok(());
    }
    let (folder, runtime) = (Folder::new()?, Folder::new()?);
    let mut python = preloaded(tool, "unshare", &runtime);
    // Unmounting needs the mount to be this namespace's own; something is put over it instead.
    python.args([
        "--mount",
        "--",
        "sh",
        "-c",
        "mount -t tmpfs none /proc && exec \"$@\"",
        "sh",
    ]);
    python.arg("/usr/bin/python3");
    let daemon = Daemon(start_daemon(&mut python, "", &folder)?);
    check_daemon(tool, &runtime, &daemon)
}

/// The page lies where no path of the tool leads, and then in no folder at all.
fn hidden_page(tool: &Tool) -> Outcome {
    if !tool.alone {
        eprintln!("left out: no file system can be mounted here");
        return Ok(());
    }
    let (folder, runtime, elsewhere) = (Folder::new()?, Folder::new()?, Folder::new()?);
    let mut python = preloaded(tool, "unshare", &runtime);
    let mount = "mount -t tmpfs -o mode=700 none $XDG_RUNTIME_DIR && exec \"$@\"";
    python.args(["--mount", "--", "sh", "-c", mount, "sh", "/usr/bin/python3"]);
    let daemon = Daemon(start_daemon(&mut python, "", &folder)?);
    let pid = daemon.0.to_string();
    let is_shown = |arguments: &[&str]| {
        let stat = tool.say(&elsewhere.0, arguments)?;
        has_in_order(&stat.out, &[&pid, "python3"])
    };
    assert_eq!(pages(&runtime), Vec::<PathBuf>::new());
    is_shown(&["stat"])?;
    is_shown(&["stat", "--pid", &pid])?;
    fs::remove_dir_all(format!(
        "/proc/{pid}/root{}",
        runtime.file("sslcache").display()
    ))?;
    is_shown(&["stat"])?;
    is_shown(&["stat", "--pid", &pid])
}

fn folder_of_another(tool: &Tool) -> Outcome {
    const NOBODY: u32 = 65534;
    if !is_root() {
        eprintln!("left out: only root may remove what belongs to others");
        return Ok(());
    }
    let (folder, runtime) = (Folder::new()?, Folder::new()?);
    let place = runtime.file("sslcache");
    let mut python = preloaded(tool, "/usr/bin/python3", &runtime);
    let daemon = Daemon(start_daemon(&mut python, "", &folder)?);
    chown(&place, Some(NOBODY), None)?;
    let left = pages(&runtime);
    let sweep = || tool.say(&runtime.0, &["stat"]);
    let _ = sweep()?;
    assert_eq!(pages(&runtime), left, "it is alive");
    daemon.signal(libc::SIGKILL);
    daemon.wait()?;
    // The folder of the pages is a link to that of another.
    fs::create_dir(runtime.file("other"))?;
    fs::rename(&place, runtime.file("other/folder"))?;
    symlink(runtime.file("other/folder"), &place)?;
    let _ = sweep()?;
    assert_eq!(pages(&runtime), left, "by a link");
    fs::remove_file(&place)?;
    fs::rename(runtime.file("other/folder"), &place)?;
    let _ = sweep()?;
    assert_eq!(pages(&runtime), Vec::<PathBuf>::new());
    Ok(())
}

fn why_no_figures(tool: &Tool) -> Outcome {
    let (folder, elsewhere) = (Folder::new()?, Folder::new()?);
    let open = folder.file("sslcache");
    let closed_out = folder.0.display().to_string();
    let cases = [
        (
            ["SSLCACHE_STATS", "no"],
            2,
            "its setting stats is off, by SSLCACHE_STATS in its environment",
        ),
        (
            ["XDG_RUNTIME_DIR", "/nonexistent"],
            1,
            "as it may make none: there is no /nonexistent",
        ),
        (
            ["XDG_RUNTIME_DIR", &closed_out],
            1,
            "/sslcache is open to other users",
        ),
        // It shows them, and did no handshake.
        (["SSLCACHE_STATS", "yes"], 2, "sslcache 0"),
    ];
    fs::create_dir(&open)?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755))?;
    for ([name, value], code, said) in cases {
        let mut python = preloaded(tool, "/usr/bin/python3", &elsewhere);
        python.env(name, value);
        let daemon = Daemon(start_daemon(&mut python, "", &folder)?);
        let doctor = tool.say(&elsewhere.0, &["doctor", "--pid", &daemon.0.to_string()])?;
        has_in_order(&doctor.out, &["sslcache is in it", said])?;
        assert_eq!(doctor.code, code, "{}", doctor.out);
    }
    Ok(())
}

/// Starts a daemon in a pid namespace of its own, where its id is 1. Returns its id here, and the program that waits for it.
fn start_in_namespace(tool: &Tool, runtime: &Folder) -> Result<(Started, Daemon), Box<dyn Error>> {
    let mut unshare = preloaded(tool, "unshare", runtime);
    unshare.stderr(Stdio::null()).args([
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "--",
    ]);
    unshare.args(["/usr/bin/python3", "-c"]).arg(
        "import ssl, time\n\
         context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         time.sleep(60)\n",
    );
    let unshare = Started(unshare.spawn()?);
    let mut inner = None;
    wait_until("a page of a process there", || {
        inner = children(unshare.0.id()).first().copied();
        pages(runtime).len() == 1
    })?;
    Ok((unshare, Daemon(inner.ok_or("no child")?)))
}

fn other_namespace(tool: &Tool) -> Outcome {
    if !tool.alone {
        eprintln!("left out: no pid namespace can be made here");
        return Ok(());
    }
    let (runtime, elsewhere) = (Folder::new()?, Folder::new()?);
    let (mut unshare, daemon) = start_in_namespace(tool, &runtime)?;
    let pid = daemon.0.to_string();
    for folder in [&runtime, &elsewhere] {
        let stat = tool.say(&folder.0, &["stat"])?;
        has_in_order(&stat.out, &[&pid, "python3"])?;
        let flush = tool.say(&folder.0, &["flush", "--all"])?;
        assert_eq!(flush.code, 0);
        has_in_order(&flush.out, &["asked: ", &pid, "python3"])?;
    }
    let of_one = tool.say(&runtime.0, &["stat", "--pid", &pid])?;
    has_in_order(&of_one.out, &[&pid, "python3"])?;
    // Gone without a word, and its id there is that of another process here. From here it cannot be told to be gone.
    daemon.signal(libc::SIGKILL);
    unshare.0.wait()?;
    let stat = tool.say(&runtime.0, &["stat"])?;
    has_in_order(&stat.out, &["sslcache 0", " 1 ?"])?;
    let flush = tool.say(&runtime.0, &["flush", "--all"])?;
    assert_eq!(flush.code, 1, "{}", flush.out);
    has_in_order(&flush.out, &["are not seen from here, and may be gone"])?;
    // Nothing is shown of it where it has no page.
    let stat = tool.say(&elsewhere.0, &["stat"])?;
    has_in_order(&stat.out, &["no process shows its figures"])
}

/// Its parent, whose id is of this namespace, ends before it.
fn child_in_namespace(tool: &Tool) -> Outcome {
    if !tool.alone {
        eprintln!("left out: no pid namespace can be made here");
        return Ok(());
    }
    let runtime = Folder::new()?;
    let mut python = preloaded(tool, "/usr/bin/python3", &runtime);
    let program = "import ctypes, os, ssl, sys, time\n\
                   context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
                   NEWPID = 0x20000000\n\
                   if ctypes.CDLL(None).unshare(NEWPID) != 0: sys.exit('no namespace')\n\
                   child = os.fork()\n\
                   if child: print(child); sys.exit()\n\
                   os.close(1); os.close(2)\n\
                   time.sleep(60)\n";
    let parent = said(python.args(["-c", program]))?;
    let id = parent.out.trim().parse();
    let child = Daemon(id.map_err(|_| parent.err)?);
    assert_eq!(pages(&runtime).len(), 1);
    let pid = child.0.to_string();
    for arguments in [&["stat"][..], &["stat", "--pid", &pid]] {
        let stat = tool.say(&runtime.0, arguments)?;
        has_in_order(&stat.out, &[&pid, "python3", "(gone)"])?;
    }
    assert_eq!(pages(&runtime).len(), 1);
    Ok(())
}

fn gone_namespace(tool: &Tool) -> Outcome {
    const FIRST_NAMESPACE: u64 = 0xefff_fffc;
    let is_first = fs::metadata("/proc/self/ns/pid")?.ino() == FIRST_NAMESPACE;
    if !is_root() || !is_first {
        eprintln!("left out: only root of the machine's pid namespace sees every process");
        return Ok(());
    }
    let runtime = Folder::new()?;
    let (mut unshare, daemon) = start_in_namespace(tool, &runtime)?;
    let _ = tool.say(&runtime.0, &["stat"])?;
    assert_eq!(pages(&runtime).len(), 1);
    daemon.signal(libc::SIGKILL);
    unshare.0.wait()?;
    let _ = tool.say(&runtime.0, &["stat"])?;
    assert_eq!(pages(&runtime), Vec::<PathBuf>::new());
    Ok(())
}
