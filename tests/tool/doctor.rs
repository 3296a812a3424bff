//! `sslcache doctor`.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::Case;
use crate::server::{Server, certify};
use crate::tool::{Folder, Outcome, Said, Tool, compile, has_in_order, is_root, said, wait_for};

pub const CASES: &[Case] = &[
    ("doctor finds a program linked with libssl fine", linked),
    ("doctor knows what OpenSSL 1.1.1 lacks", linked_with_111),
    ("doctor knows what later releases lack", linked_with_newer),
    (
        "doctor finds a libssl that is left alone",
        linked_with_another,
    ),
    ("doctor finds a static program out of reach", static_program),
    ("doctor finds a Go program out of reach", go_program),
    (
        "doctor finds a set-user-ID program out of others' reach",
        set_user_id,
    ),
    ("doctor cannot tell of an interpreter", interpreter),
    ("doctor finds a program without libssl", without_libssl),
    ("doctor finds libssl linked in", linked_in),
    (
        "doctor knows a server with the cache, and one without",
        servers,
    ),
    (
        "doctor finds what keeps sessions from being resumed",
        findings_of_contexts,
    ),
    (
        "doctor finds a cache that is not forced, where client certificates are asked for",
        not_forced,
    ),
    (
        "doctor knows the session id context of one that asks for certificates",
        certificates,
    ),
    (
        "doctor tells our libssl by itself, and not by its folder's name",
        named_folders,
    ),
    (
        "doctor finds a preloaded library that the user of the server may not read",
        unreadable,
    ),
    (
        "doctor finds the libssl in front in a process with another root",
        in_another_root,
    ),
    ("doctor finds a client's context fine", clients),
    (
        "doctor finds that contexts are made for each connection",
        passing,
    ),
    (
        "doctor knows of client certificates in contexts that are gone",
        passing_certified,
    ),
    ("doctor sees the busy ones of many contexts", crowd),
    (
        "doctor knows of handshakes in processes that are gone",
        departed,
    ),
    ("doctor says what keeps contexts of a group apart", apart),
    (
        "doctor says what keeps one context of several processes apart",
        sisters,
    ),
    ("doctor finds a stopped process", stopped),
    (
        "doctor cannot tell of another user's process",
        another_users,
    ),
    ("doctor cannot tell of a process that is not there", missing),
];

/// A program that loads libssl, and waits.
const PYTHON: [&str; 3] = ["/usr/bin/python3", "-c", "import ssl, time; time.sleep(60)"];

fn linked(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let doctor = tool.say(&folder.0, &["doctor", "--", "openssl", "version"])?;
    assert_eq!((doctor.code, &*doctor.err), (0, ""), "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "  ok  /",
            "openssl is the program",
            "  ok  linked with libssl.so.3: /",
            ", OpenSSL 3.",
        ],
    )
}

fn static_program(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let program = folder.file("program");
    compile("int main(void) { return 0; }", &program, &["-static"])?;
    let doctor = tool.say(&folder.0, &["doctor", "--", &program.to_string_lossy()])?;
    assert_eq!(doctor.code, 1);
    has_in_order(
        &doctor.out,
        &[
            "   !  out of reach: statically linked",
            "-> take a dynamically linked build",
        ],
    )
}

/// A Go program of the distribution, dynamically linked as most Go programs are.
fn go_program(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let doctor = tool.say(&folder.0, &["doctor", "--", "gron"])?;
    assert_eq!(doctor.code, 1);
    has_in_order(
        &doctor.out,
        &[
            "   !  out of reach: a Go program, with Go's own TLS",
            "-> let a server that uses libssl",
        ],
    )
}

fn set_user_id(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let program = folder.file("program");
    compile(
        "int main(void) { return 0; }",
        &program,
        &["-Wl,--no-as-needed", "-lssl"],
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755))?;
    let doctor = tool.say(&folder.0, &["doctor", "--", &program.to_string_lossy()])?;
    assert_eq!(doctor.code, 1);
    has_in_order(
        &doctor.out,
        &[
            "  ok  linked with libssl.so.3",
            "   !  set-user-ID",
            "-> start it as the user",
        ],
    )
}

fn interpreter(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let script = folder.file("script");
    fs::write(&script, "#!/usr/bin/env python3\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let doctor = tool.say(&folder.0, &["doctor", "--", &script.to_string_lossy()])?;
    assert_eq!(doctor.code, 2, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "script is a script of /",
            "   ?  not linked with libssl",
            "-> start it under `sslcache run`",
        ],
    )?;
    // Its modules are loaded by a library of its own.
    let doctor = tool.say(&folder.0, &["doctor", "--", "apache2"])?;
    assert_eq!(doctor.code, 2, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &["   ?  not linked with libssl, but it can load it"],
    )
}

fn without_libssl(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let doctor = tool.say(&folder.0, &["doctor", "--", "/bin/true"])?;
    assert_eq!(doctor.code, 1);
    has_in_order(&doctor.out, &["   !  it has no libssl"])?;
    let text = folder.file("text");
    fs::write(&text, "no program\n")?;
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755))?;
    let doctor = tool.say(&folder.0, &["doctor", "--", &text.to_string_lossy()])?;
    assert_eq!(doctor.code, 2);
    has_in_order(
        &doctor.err,
        &["neither an ELF program nor a script: give the program itself"],
    )
}

/// A program that is linked with a libssl of this name, which is no more than a name.
fn linked_with(
    tool: &Tool,
    folder: &Folder,
    name: &str,
    version: &str,
) -> Result<Said, Box<dyn Error>> {
    let (libssl, libcrypto) = (folder.file(name), name.replace("libssl", "libcrypto"));
    let soname = format!("-Wl,-soname,{name}");
    let version = format!("const char version[] = \"OpenSSL {version}  11 Sep 2023\";");
    compile(&version, &folder.file(&libcrypto), &["-shared"])?;
    compile("int in_libssl;", &libssl, &["-shared", "-fPIC", &soname])?;
    let program = folder.file("program");
    compile(
        "extern int in_libssl; int main(void) { return in_libssl; }",
        &program,
        &[&libssl.to_string_lossy(), "-Wl,-rpath,$ORIGIN"],
    )?;
    tool.say(&folder.0, &["doctor", "--", &program.to_string_lossy()])
}

fn linked_with_111(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let doctor = linked_with(tool, &folder, "libssl.so.1.1", "1.1.1w")?;
    assert_eq!((doctor.code, &*doctor.err), (0, ""), "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "  ok  linked with libssl.so.1.1: /",
            ", OpenSSL 1.1.1w\n",
            "  ok  OpenSSL 1.1.1 does not tell which names a certificate has to have",
            "share with no other process",
        ],
    )
}

fn linked_with_newer(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    for (name, version, lacks) in [
        ("libssl.so.3", "3.4.9", &[][..]),
        ("libssl.so.3", "3.5.5", &["over QUIC"][..]),
        ("libssl.so.3", "3.10.0", &["over QUIC"][..]),
        (
            "libssl.so.4",
            "4.0.3",
            &["OpenSSL 4.0 does not tell how long", "over QUIC"][..],
        ),
    ] {
        let doctor = linked_with(tool, &folder, name, version)?;
        assert_eq!((doctor.code, &*doctor.err), (0, ""), "{}", doctor.out);
        let linked = format!("  ok  linked with {name}: /");
        let version = format!(", OpenSSL {version}\n");
        has_in_order(&doctor.out, &[&[&*linked, &*version], lacks].concat())?;
        assert_eq!(doctor.out.contains("QUIC"), lacks.contains(&"over QUIC"));
    }
    Ok(())
}

fn linked_with_another(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let doctor = linked_with(tool, &folder, "libssl.so.53", "2.0.0")?;
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "   !  linked with libssl.so.53: /",
            "takes libssl.so.3, libssl.so.4, libssl.so.1.1 over, and leaves this one alone, which by its number is LibreSSL's",
            "-> take a build of it for OpenSSL 1.1.1 or later",
        ],
    )
}

fn linked_in(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let program = folder.file("program");
    compile(
        "void SSL_CTX_new(void) { } int main(void) { return 0; }",
        &program,
        &[],
    )?;
    let doctor = tool.say(&folder.0, &["doctor", "--", &program.to_string_lossy()])?;
    assert_eq!(doctor.code, 1);
    has_in_order(
        &doctor.out,
        &[
            "   !  out of reach: libssl is linked into it",
            "-> take a build that uses the system's",
        ],
    )
}

fn servers(tool: &Tool) -> Outcome {
    let server = Server::start(
        tool,
        &["--region-size=4M"],
        "ssl_session_tickets off; ssl_session_cache builtin:500;",
    )?;
    let pid = server.pid()?.to_string();
    let doctor = tool.say(&server.runtime.0, &["doctor", "--pid", &pid])?;
    assert_eq!(doctor.code, 2, "{}", doctor.out);
    has_in_order(&doctor.out, &["   ?  no handshake was done yet"])?;
    server.visit("1.2")?;
    let doctor = tool.say(&server.runtime.0, &["doctor", "--pid", &pid])?;
    assert_eq!((doctor.code, &*doctor.err), (0, ""), "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "is nginx",
            "sslcache is in it: /",
            "libssl is in it: /",
            "is active, preloaded",
            "region_size=4M",
            "more processes",
            "of at most 500 sessions cached",
        ],
    )?;
    let mut other = Sleeper::start(Command::new(PYTHON[0]).args(&PYTHON[1..]))?;
    other.wait_for_libssl()?;
    let doctor = tool.say(&server.runtime.0, &["doctor", "--pid", &other.pid()])?;
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "libssl is in it",
            "   !  sslcache is not in it",
            "-> restart it under `sslcache run`",
        ],
    )?;
    other.end()
}

fn findings_of_contexts(tool: &Tool) -> Outcome {
    for (settings, finding) in [
        (
            "ssl_session_cache off;",
            "has its session cache switched off by the program",
        ),
        (
            "ssl_session_cache none;",
            "has no internal cache, and no callbacks in its place",
        ),
    ] {
        let server = Server::start(tool, &[], &format!("ssl_session_tickets off; {settings}"))?;
        server.visit("1.2")?;
        let doctor = tool.say(
            &server.runtime.0,
            &["doctor", "--pid", &server.pid()?.to_string()],
        )?;
        assert_eq!(doctor.code, 1, "{settings}\n{}", doctor.out);
        has_in_order(&doctor.out, &[finding, "-> ", "SSLCACHE_FORCE=1"])?;
    }
    Ok(())
}

fn not_forced(tool: &Tool) -> Outcome {
    for (certificates, code) in [("off", 0), ("optional_no_ca", 1)] {
        let server = Server::start(
            tool,
            &["--force"],
            &format!(
                "ssl_session_tickets off; ssl_session_cache off; ssl_verify_client {certificates};"
            ),
        )?;
        server.visit("1.2")?;
        let doctor = tool.say(
            &server.runtime.0,
            &["doctor", "--pid", &server.pid()?.to_string()],
        )?;
        assert_eq!(doctor.code, code, "{certificates}\n{}", doctor.out);
        if code != 0 {
            has_in_order(
                &doctor.out,
                &[
                    "asks for client certificates, and SSLCACHE_FORCE gives connections that do no cache",
                    "-> switch the session cache on in the program",
                ],
            )?;
        }
    }
    Ok(())
}

fn certificates(tool: &Tool) -> Outcome {
    let settings =
        "ssl_session_tickets off; ssl_session_cache builtin; ssl_verify_client optional_no_ca;";
    let server = Server::start(tool, &[], settings)?;
    server.visit("1.2")?;
    let doctor = tool.say(
        &server.runtime.0,
        &["doctor", "--pid", &server.pid()?.to_string()],
    )?;
    // nginx has set a session id context.
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    let server = Server::start(tool, &["--group=certificate"], settings)?;
    server.visit("1.2")?;
    let doctor = tool.say(
        &server.runtime.0,
        &["doctor", "--pid", &server.pid()?.to_string()],
    )?;
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "asks for client certificates",
            "are shared by fork alone, with the processes that have this very context",
        ],
    )
}

fn named_folders(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let [ours, theirs, nobodys] = ["ours", "sslcache", "sslcache/libssl.so.3"];
    let host = said(Command::new("sh").args([
        "-c",
        "ldconfig -p | sed -n 's/^[[:space:]]*libssl\\.so\\.3 .*=> //p' | head -n 1",
    ]))?;
    for (name, from) in [
        (ours, tool.stage.join("lib/sslcache/libssl.so.3")),
        (theirs, host.out.trim_end().into()),
    ] {
        fs::create_dir(folder.file(name))?;
        fs::copy(from, folder.file(name).join("libssl.so.3"))?;
    }
    let remedy = "-> restart it under `sslcache run`";
    for (variable, value, code, findings) in [
        (
            "LD_LIBRARY_PATH",
            ours,
            2,
            ["sslcache is in it: /", "/ours/libssl.so.3"],
        ),
        (
            "LD_LIBRARY_PATH",
            theirs,
            1,
            ["   !  sslcache is not in it", remedy],
        ),
        (
            "LD_LIBRARY_PATH",
            nobodys,
            1,
            ["   !  sslcache is not in it", remedy],
        ),
        (
            "LD_PRELOAD",
            "libsslcache.so.0",
            1,
            [
                "   !  its LD_PRELOAD names /",
                "libsslcache.so.0, which is not there",
            ],
        ),
        (
            "LD_PRELOAD",
            "libsslcache.d/other.so",
            1,
            ["   !  sslcache is not in it", remedy],
        ),
    ] {
        let mut command = Command::new(PYTHON[0]);
        command.args(&PYTHON[1..]).env_remove("LD_LIBRARY_PATH");
        let mut program = Sleeper::start(command.env(variable, folder.file(value)))?;
        program.wait_for_libssl()?;
        let doctor = tool.say(&folder.0, &["doctor", "--pid", &program.pid()])?;
        assert_eq!(doctor.code, code, "{variable}={value}\n{}", doctor.out);
        has_in_order(&doctor.out, &findings)?;
        program.end()?;
    }
    Ok(())
}

fn unreadable(tool: &Tool) -> Outcome {
    if !is_root() {
        return Ok(());
    }
    // The folder is root's alone, the file everybody's.
    let folder = Folder::new()?;
    let library = folder.file("libsslcache.so.0");
    fs::copy(tool.stage.join("lib/libsslcache.so.0"), &library)?;
    fs::set_permissions(&library, fs::Permissions::from_mode(0o644))?;
    let mut command = Command::new(PYTHON[0]);
    command.args(&PYTHON[1..]).uid(65534).gid(65534);
    let mut program = Sleeper::start(command.current_dir("/").env("LD_PRELOAD", &library))?;
    program.wait_for_libssl()?;
    let doctor = tool.say(&folder.0, &["doctor", "--pid", &program.pid()])?;
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    let finding = format!(
        "   !  its LD_PRELOAD names {}, which its user may not read\n",
        library.display()
    );
    has_in_order(&doctor.out, &[&finding, "-> let others read the file"])?;
    program.end()
}

/// The report on a program of this kind that runs with these options of `sslcache run`.
fn of_shakes(
    tool: &Tool,
    kind: &str,
    options: &[&str],
) -> Result<Said, Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    certify(&folder)?;
    let program = folder.file("shakes");
    let libraries = ["-lssl", "-lcrypto"];
    compile(include_str!("shakes.c"), &program, &libraries)?;
    let mut command = tool.command(&folder.0);
    command.arg("run").args(options).arg("--");
    command
        .args([&*program.to_string_lossy(), kind])
        .current_dir(&folder.0);
    let mut child = Sleeper(command.stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    let output = child.0.stdout.take().ok_or("no stdout")?;
    BufReader::new(output).read_line(&mut line)?;
    assert_eq!(line, "done\n", "{kind}");
    // The program is a child of `timeout`, which waits for it.
    let children = format!("/proc/{}/task/{}/children", child.pid(), child.pid());
    let pid = fs::read_to_string(children)?;
    let doctor = tool.say(&folder.0, &["doctor", "--pid", pid.trim_end()])?;
    // SAFETY: kill takes two numbers. `timeout` is still alive and has not waited for the process, so the id is its own.
    unsafe { libc::kill(pid.trim_end().parse()?, libc::SIGKILL) };
    child.0.wait()?;
    Ok(doctor)
}

fn clients(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "client", &[])?;
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    has_in_order(&doctor.out, &[" is a client's: "])
}

fn passing(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "passing", &[])?;
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            " contexts are gone: ",
            " handshakes, 0 resumed",
            "   !  it makes a context for each connection",
            "-> set SSLCACHE_GROUP to certificate",
        ],
    )?;
    let doctor = of_shakes(tool, "passing", &["--group=certificate"])?;
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    has_in_order(&doctor.out, &[" contexts are gone: "])
}

fn passing_certified(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "certified", &[])?;
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            " contexts are gone: ",
            "   !  client certificates, and no session id context, in ",
            " of those that are gone: libssl resumes nothing",
            "-> have the program call SSL_CTX_set_session_id_context",
            "PHP asks unless its ssl option verify_peer is false",
        ],
    )
}

fn crowd(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "crowd", &[])?;
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    assert_eq!(
        doctor.out.matches(": 3 handshakes").count(),
        5,
        "{}",
        doctor.out
    );
    Ok(())
}

fn apart(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "apart", &["--group=shakes"])?;
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "  ok  context ",
            " and context ",
            " keep apart: verify mode",
        ],
    )?;
    // Without a group the contexts never share.
    let doctor = of_shakes(tool, "apart", &[])?;
    assert!(!doctor.out.contains("keep apart"), "{}", doctor.out);
    Ok(())
}

fn sisters(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "sisters", &[])?;
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "  ok  context ",
            " and context ",
            " of process ",
            " keep apart: verify mode",
        ],
    )
}

fn departed(tool: &Tool) -> Outcome {
    let doctor = of_shakes(tool, "departed", &[])?;
    assert_eq!(doctor.code, 2, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &[
            "   ?  40 handshakes were done",
            "by processes that are gone",
            "-> look while a connection is open",
        ],
    )
}

fn stopped(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let mut command = Command::new(tool.stage.join("bin/sslcache"));
    let mut program = Sleeper::start(command.args(["run", "--"]).args(PYTHON))?;
    program.wait_for_libssl()?;
    // SAFETY: kill takes two numbers. The child has not been waited for, so the id is still its own.
    unsafe { libc::kill(program.0.id().cast_signed(), libc::SIGSTOP) };
    let status = format!("/proc/{}/status", program.pid());
    wait_for("a stop", || {
        fs::read_to_string(&status).is_ok_and(|status| status.contains("(stopped)"))
    })?;
    let doctor = tool.say(&folder.0, &["doctor", "--pid", &program.pid()])?;
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    has_in_order(
        &doctor.out,
        &["   !  it is stopped", "-> kill -CONT", "sslcache is in it"],
    )?;
    program.end()
}

fn in_another_root(tool: &Tool) -> Outcome {
    if !is_root() {
        return Ok(());
    }
    let folder = Folder::new()?;
    let mut command = Command::new(PYTHON[0]);
    let program = "import ssl, os, sys, time; os.chroot(sys.argv[1]); time.sleep(60)";
    command.args(["-c", program]).arg(&folder.0);
    let mut program =
        Sleeper::start(command.env("LD_LIBRARY_PATH", tool.stage.join("lib/sslcache")))?;
    program.wait_for_libssl()?;
    let root = format!("/proc/{}/root", program.pid());
    wait_for("its root", || {
        fs::read_link(&root).is_ok_and(|root| root == folder.0)
    })?;
    let doctor = tool.say(&folder.0, &["doctor", "--pid", &program.pid()])?;
    has_in_order(
        &doctor.out,
        &["ok  sslcache is in it: /", "/sslcache/libssl.so"],
    )?;
    program.end()
}

fn another_users(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    if !is_root() {
        // Every user can see process 1, which belongs to root, and may not look into it.
        let doctor = tool.say(&folder.0, &["doctor", "--pid", "1"])?;
        assert_eq!(doctor.code, 2);
        return has_in_order(&doctor.err, &["process 1: ", "run this as root"]);
    }
    let mut program = Sleeper::start(Command::new("sleep").arg("60"))?;
    let mut doctor = Command::new(tool.stage.join("bin/sslcache"));
    let doctor = said(
        doctor
            .args(["doctor", "--pid", &program.pid()])
            .uid(65534)
            .gid(65534),
    )?;
    assert_eq!(doctor.code, 2, "{doctor:?}");
    has_in_order(
        &doctor.err,
        &[
            &format!("process {}: another user's", program.pid()),
            ": run this as root",
        ],
    )?;
    program.end()
}

fn missing(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let doctor = tool.say(&folder.0, &["doctor", "--pid", "4194304"])?;
    let said = "sslcache doctor: process 4194304: there is no such process: look its number up: pgrep -a NAME\n";
    assert_eq!((doctor.code, &*doctor.err), (2, said));
    Ok(())
}

/// A program that waits. It is ended on drop.
struct Sleeper(Child);

impl Sleeper {
    fn start(command: &mut Command) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
        ))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn wait_for_libssl(&self) -> Outcome {
        let maps = format!("/proc/{}/maps", self.pid());
        wait_for("libssl in the program", || {
            fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("libssl.so"))
        })
    }

    fn end(&mut self) -> Outcome {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
