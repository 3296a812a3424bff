//! The stats page: who may read it, and how long it stays.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use crate::Case;
use crate::server::Server;
use crate::stat::{SETTINGS, total};
use crate::tool::{Folder, Outcome, Tool, compile, has_in_order, is_root, said};

pub const CASES: &[Case] = &[
    (
        "the page is private, and not made where its folder is not",
        privacy,
    ),
    (
        "a set-user-ID program makes no page where its caller says",
        privileged,
    ),
    ("the first call of a program is in its figures", first_call),
    ("the page of a killed server is swept", swept),
    ("the page of a daemon stays when its parent ends", daemon),
    ("with stats off there is no page", opted_out),
];

/// The pages in a runtime folder.
pub fn pages(runtime: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(runtime.file("sslcache"))
        .into_iter()
        .flatten()
        .flatten();
    entries.map(|entry| entry.path()).collect()
}

/// A program that adds a session, and then runs the command that it is given.
pub const ADDS_ONE: &str = r#"
#include <openssl/ssl.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_SESSION *session = SSL_SESSION_new();
    SSL_SESSION_set1_id(session, (const unsigned char *)"id", 2);
    SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION);
    if (argc != 2 || SSL_CTX_add_session(ctx, session) != 1)
        return 1;
    return system(argv[1]);
}
"#;

fn privacy(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &[], SETTINGS)?;
    let mode = |path: PathBuf| fs::metadata(path).map(|about| about.permissions().mode() & 0o7777);
    assert_eq!(mode(server.runtime.file("sslcache"))?, 0o700);
    for page in pages(&server.runtime) {
        assert_eq!(mode(page)?, 0o600);
    }
    // Not a private folder, but one that others may read, a link, or a file: nothing is written there, and the program goes on.
    for place in ["open", "link", "file"] {
        let runtime = Folder::new()?;
        let other = Folder::new()?;
        let folder = runtime.file("sslcache");
        match place {
            "open" => {
                fs::create_dir(&folder)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            }
            "link" => std::os::unix::fs::symlink(&other.0, &folder)?,
            _ => fs::write(&folder, "")?,
        }
        // Checked by the program itself, because its end removes the file.
        let program = "import ssl, os; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); \
                       folder = os.environ['XDG_RUNTIME_DIR'] + '/sslcache'; \
                       print(os.listdir(folder) if os.path.isdir(folder) else [])";
        let run = ["run", "--verbose", "--", "/usr/bin/python3", "-c", program];
        let run = tool.say(&runtime.0, &run)?;
        assert_eq!((run.code, &*run.out), (0, "[]\n"), "{place}: {}", run.err);
        has_in_order(&run.err, &["active"])?;
    }
    Ok(())
}

fn privileged(tool: &Tool) -> Outcome {
    const NOBODY: u32 = 65534;
    if !is_root() {
        return Ok(());
    }
    let runtime = Folder::new()?;
    chown(&runtime.0, Some(NOBODY), None)?;
    let folder = Folder::new()?;
    let program = folder.file("program");
    // Linked, because nothing can be preloaded into it.
    let lib = tool.stage.join("lib").display().to_string();
    let search = [format!("-L{lib}"), format!("-Wl,-rpath,{lib}")];
    compile(
        ADDS_ONE,
        &program,
        &[&search[0], &search[1], "-lsslcache", "-lssl"],
    )?;
    chown(&program, Some(NOBODY), None)?;
    for (mode, makes_one) in [(0o755, true), (0o4755, false)] {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode))?;
        let mut command = Command::new(&program);
        command.arg("true").env("XDG_RUNTIME_DIR", &runtime.0);
        assert_eq!(said(&mut command)?.code, 0);
        let place = runtime.file("sslcache");
        assert_eq!(place.exists(), makes_one, "{mode:o}");
        let _ = fs::remove_dir(place);
    }
    Ok(())
}

fn first_call(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let program = folder.file("program");
    compile(ADDS_ONE, &program, &["-lssl"])?;
    let stat = format!("{} stat --json", tool.stage.join("bin/sslcache").display());
    let arguments = ["run", "--", &*program.to_string_lossy(), &stat];
    let said = tool.say(&folder.0, &arguments)?;
    assert_eq!(total(&said.out, "added"), 1, "{said:?}");
    Ok(())
}

fn swept(tool: &Tool) -> Outcome {
    let runtime = Folder::new()?;
    let program = "import ssl, os, signal; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); os.kill(os.getpid(), signal.SIGKILL)";
    let killed = || {
        said(
            tool.command(&runtime.0)
                .args(["run", "--", "/usr/bin/python3", "-c", program]),
        )
    };
    assert!(killed().is_err() || pages(&runtime).len() == 1);
    assert_eq!(pages(&runtime).len(), 1);
    // The next process removes dead pages, and so does the tool.
    let _ = killed();
    assert_eq!(pages(&runtime).len(), 1);
    let _ = tool.say(&runtime.0, &["stat"])?;
    assert_eq!(pages(&runtime).len(), 0);
    Ok(())
}

/// A process that becomes a daemon ends as soon as it has forked, often before its child runs.
fn daemon(tool: &Tool) -> Outcome {
    let (runtime, folder) = (Folder::new()?, Folder::new()?);
    let program = folder.file("daemon");
    compile(include_str!("daemon.c"), &program, &["-lssl", "-lcrypto"])?;
    let daemon = said(tool.command(&runtime.0).args(["run", "--"]).arg(&program))?;
    let pid: i32 = daemon.out.trim().parse()?;
    let pages = pages(&runtime).len();
    // SAFETY: the program has told its own id, and ends within seconds at most.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(pages, 1, "{}", daemon.err);
    Ok(())
}

fn opted_out(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &["--stats=off"], SETTINGS)?;
    assert_eq!(server.visit("1.2")?, "full=20 resumed=20 held=server");
    assert!(!server.runtime.file("sslcache").exists());
    let doctor = tool.say(
        &server.runtime.0,
        &["doctor", "--pid", &server.pid()?.to_string()],
    )?;
    assert_eq!(doctor.code, 2, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "sslcache is in it",
            "   ?  it shows no figures",
            "stats is off",
        ],
    )
}
