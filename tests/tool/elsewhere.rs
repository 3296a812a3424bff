//! Processes that change under their page, or are not where the tool is: other roots, users, folders and namespaces.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Case;
use crate::apart;
use crate::daemons::{Daemon, Started, children, pages, preloaded, wait_until};
use crate::tool::{Folder, Outcome, Tool, has_in_order, is_root, said};

pub const CASES: &[Case] = &[
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
    unshare.stderr(Stdio::null()).args(apart::NAMESPACES);
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
    // Not while a process of another test ends, whose map is gone before its threads are.
    wait_until("the page is swept", || {
        let stat = tool.say(&runtime.0, &["stat"]);
        stat.is_ok() && pages(&runtime).is_empty()
    })
}
