//! `sslcache enable` and `sslcache disable`, with a folder as the root of the system.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::Case;
use crate::tool::{Folder, Outcome, Said, Tool, compile, has_in_order, said};

pub const CASES: &[Case] = &[
    (
        "enable writes a drop-in, and disable takes it away",
        there_and_back,
    ),
    (
        "enable writes a drop-in for any service, its instances and its template",
        any_service,
    ),
    (
        "enable and disable leave alone what others wrote",
        leaves_others_alone,
    ),
    (
        "enable writes the settings that are asked for",
        takes_settings,
    ),
    ("enable refuses wrong settings", refuses_settings),
    (
        "enable has systemd make the folder of a region, which disable takes away",
        makes_a_region,
    ),
    ("enable keeps what a unit preloads", keeps_preloads),
    (
        "enable refuses where others set the same variables",
        refuses_what_is_overruled,
    ),
    (
        "enable refuses what gains nothing, and says why",
        refuses_what_gains_nothing,
    ),
    ("enable refuses what is no service", refuses_names),
    ("enable asks systemd about the finished unit", verifies),
];

/// A root, with a program in it that is linked with libssl, and units.
struct Root {
    folder: Folder,
    /// The library, as the drop-ins name it.
    preload: String,
}

impl Root {
    fn new(tool: &Tool) -> Result<Self, Box<dyn Error>> {
        let root = Self {
            folder: Folder::new()?,
            preload: tool
                .stage
                .join("lib/libsslcache.so.0")
                .display()
                .to_string(),
        };
        root.program("server", &["-Wl,--no-as-needed", "-lssl"])?;
        Ok(root)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    fn write(&self, name: &str, text: &str) -> Outcome {
        let file = self.file(name);
        fs::create_dir_all(file.parent().ok_or("no folder")?)?;
        Ok(fs::write(file, text)?)
    }

    /// Makes /usr/sbin/NAME.
    fn program(&self, name: &str, flags: &[&str]) -> Outcome {
        let file = self.file(&format!("usr/sbin/{name}"));
        fs::create_dir_all(file.parent().ok_or("no folder")?)?;
        compile("int main(void) { return 0; }", &file, flags)
    }

    /// Makes a unit with these lines, which starts the program.
    fn unit(&self, name: &str, lines: &str) -> Outcome {
        self.write(
            &format!("usr/lib/systemd/system/{name}.service"),
            &format!(
                "[Unit]\nDescription=A test\n[Service]\nExecStart=/usr/sbin/server -x\n{lines}\n"
            ),
        )
    }

    /// The drop-in of a unit.
    fn drop_in(&self, unit: &str) -> PathBuf {
        self.file(&format!(
            "etc/systemd/system/{unit}.service.d/sslcache.conf"
        ))
    }

    fn say(&self, tool: &Tool, words: &[&str]) -> Result<Said, Box<dyn Error>> {
        let folder = self.folder.0.to_str().ok_or("a strange folder")?;
        tool.say(&self.folder.0, &[words, &["--root", folder]].concat())
    }

    /// Enables a service, and returns the lines of the drop-in that count.
    fn enabled(&self, tool: &Tool, unit: &str, more: &[&str]) -> Result<String, Box<dyn Error>> {
        let run = self.say(tool, &[&["enable", unit], more].concat())?;
        assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
        let text = fs::read_to_string(self.drop_in(unit))?;
        let counts = |line: &&str| !line.is_empty() && !line.starts_with(['#', '[']);
        let lines: Vec<_> = text.lines().filter(counts).collect();
        lines
            .iter()
            .try_for_each(|line| has_in_order(&run.out, &[line]))?;
        Ok(lines.join("\n").replace(&self.preload, "PRELOAD"))
    }

    /// Asserts that enabling is refused with these words and nothing is written, and that --force writes the file.
    fn refuses(&self, tool: &Tool, unit: &str, words: &[&str]) -> Outcome {
        let run = self.say(tool, &["enable", unit])?;
        assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
        has_in_order(&run.err, &[&["sslcache enable: "], words].concat())?;
        let file = self.drop_in(unit);
        assert!(!file.exists(), "{run:?}");
        let run = self.say(tool, &["enable", unit, "--force"])?;
        assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
        Ok(fs::remove_file(file)?)
    }
}

fn there_and_back(tool: &Tool) -> Outcome {
    const FORCE: &str = "Environment=SSLCACHE_FORCE=1";
    const KEYS: &str = "Environment=SSLCACHE_TICKET_KEYS=shared";
    let root = Root::new(tool)?;
    for (service, settings) in [
        ("nginx", vec![KEYS]),
        ("apache2", vec![KEYS, FORCE]),
        (
            "haproxy",
            vec![
                KEYS,
                FORCE,
                "RuntimeDirectory=sslcache-haproxy",
                "RuntimeDirectoryMode=0700",
                "RuntimeDirectoryPreserve=yes",
                "Environment=SSLCACHE_REGION=/run/sslcache-haproxy/region",
            ],
        ),
        (
            "dovecot",
            vec![
                "Environment=SSLCACHE_REGION=/run/sslcache-dovecot/region",
                "Environment=XDG_RUNTIME_DIR=/run/sslcache-dovecot",
                "ExecStartPre=/usr/bin/install -d -m 0700 -o dovenull -g dovenull /run/sslcache-dovecot",
            ],
        ),
    ] {
        root.unit(service, "")?;
        let lines = [vec!["Environment=LD_PRELOAD=PRELOAD"], settings].concat();
        assert_eq!(root.enabled(tool, service, &[])?, lines.join("\n"));
        let file = root.drop_in(service);
        let text = fs::read_to_string(&file)?;
        has_in_order(
            &text,
            &[
                "# sslcache for ",
                &format!("systemctl restart {service}`"),
                "\n[Service]",
            ],
        )?;
        assert!(!text.contains("@LIBDIR@"), "{text}");

        let again = root.say(tool, &["enable", &format!("{service}.service")])?;
        let next = format!("    systemctl daemon-reload && systemctl restart {service}\n");
        let said = format!("{service}: enabled already. If it was not restarted since:\n{next}");
        assert_eq!((again.code, again.out), (0, said));
        let run = root.say(tool, &["disable", service])?;
        assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
        has_in_order(
            &run.out,
            &[
                &format!("{service}: disabled; {} is gone", file.display()),
                &next,
            ],
        )?;
        assert!(!file.parent().is_some_and(Path::exists), "{file:?}");
        let run = root.say(tool, &["disable", service])?;
        assert_eq!(
            (run.code, run.out),
            (0, format!("{service}: not enabled\n"))
        );
    }
    Ok(())
}

fn any_service(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("web", "")?;
    root.unit("app@", "")?;
    for (unit, restarted) in [
        ("web", "web"),
        ("app@blue", "app@blue"),
        ("app@", "'app@*'"),
    ] {
        assert_eq!(
            root.enabled(tool, unit, &[])?,
            "Environment=LD_PRELOAD=PRELOAD"
        );
        let text = fs::read_to_string(root.drop_in(unit))?;
        has_in_order(
            &text,
            &[
                &format!("# sslcache for {unit}: /etc/"),
                &format!("systemctl restart {restarted}`"),
            ],
        )?;
        assert!(!text.contains('@') || unit.contains('@'), "{text}");
        assert_eq!(root.say(tool, &["disable", unit])?.code, 0);
    }
    // A shell may start anything, and httpd loads libssl by a library of its own.
    root.write("usr/sbin/script", "#!/bin/sh\n")?;
    fs::set_permissions(
        root.file("usr/sbin/script"),
        fs::Permissions::from_mode(0o755),
    )?;
    root.unit(
        "script",
        "ExecStart=\nExecStart=-/usr/bin/env A=b /usr/sbin/script",
    )?;
    let run = root.say(tool, &["enable", "script"])?;
    assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
    has_in_order(
        &run.out,
        &[
            "Whether it gains is not clear: /usr/sbin/script",
            "doctor --pid",
        ],
    )
}

fn leaves_others_alone(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("nginx", "")?;
    let file = root.drop_in("nginx");
    let beside = file.with_file_name("limits.conf");
    root.enabled(tool, "nginx", &[])?;
    fs::write(&beside, "[Service]\n")?;

    // `enable` leaves a file that the administrator has edited, unless forced; `disable` removes it.
    let edited = fs::read_to_string(&file)?.replace("#Environment", "Environment");
    fs::write(&file, &edited)?;
    let run = root.say(tool, &["enable", "nginx", "group=web's", "--region"])?;
    assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
    let command = "sslcache enable nginx --force group='web'\\''s' --region\n";
    has_in_order(&run.err, &["differs from what was asked for", command])?;
    assert_eq!(fs::read_to_string(&file)?, edited);
    let lines = root.enabled(tool, "nginx", &["--force", "verbose=1"])?;
    assert!(
        lines.contains("VERBOSE=1") && !lines.contains("GROUP"),
        "{lines}"
    );
    assert_eq!(root.say(tool, &["disable", "nginx"])?.code, 0);
    assert!(!file.exists() && beside.exists());

    fs::write(&file, "[Service]\nNice=5\n")?;
    for words in [
        &["enable", "nginx"][..],
        &["enable", "nginx", "--force"],
        &["disable", "nginx"],
    ] {
        let run = root.say(tool, words)?;
        assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
        has_in_order(&run.err, &["was not written by sslcache: look at it"])?;
    }
    assert_eq!(fs::read_to_string(&file)?, "[Service]\nNice=5\n");

    // Nobody writes to a pipe at the place of a drop-in.
    fs::remove_file(&file)?;
    for place in [&file, &beside] {
        let _ = fs::remove_file(place);
        let made = std::process::Command::new("mkfifo").arg(place).status()?;
        assert!(made.success());
    }
    let run = root.say(tool, &["enable", "nginx"])?;
    assert_eq!((run.code, &*run.out), (2, ""), "{run:?}");
    has_in_order(&run.err, &["sslcache.conf: not a file: "])
}

fn takes_settings(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("web", "")?;
    root.unit("apache2", "")?;
    for written in [
        "ticket_keys=shared",
        "SSLCACHE_TICKET_KEYS=shared",
        "ticket-keys=shared",
    ] {
        let lines = root.enabled(tool, "web", &[written])?;
        assert_eq!(
            lines,
            "Environment=LD_PRELOAD=PRELOAD\nEnvironment=SSLCACHE_TICKET_KEYS=shared"
        );
        root.say(tool, &["disable", "web"])?;
    }
    // The last value counts, a default of the service gives way, and a value is quoted for systemd.
    let settings = [
        "force=1",
        "force=0",
        "group=100% \"mine\" \\ ä",
        "region=/run/elsewhere/region",
    ];
    let lines = root.enabled(tool, "apache2", &settings)?;
    let expected = "Environment=LD_PRELOAD=PRELOAD\nEnvironment=SSLCACHE_FORCE=0\n\
                    Environment=SSLCACHE_TICKET_KEYS=shared\n\
                    Environment=SSLCACHE_REGION=/run/elsewhere/region\n\
                    Environment=\"SSLCACHE_GROUP=100%% \\\"mine\\\" \\\\ ä\"";
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&lines), sorted(expected));
    Ok(())
}

fn refuses_settings(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("web", "")?;
    for (written, words) in [
        (
            "ticket_kyes=shared",
            "no setting of sslcache: did you mean ticket_keys?",
        ),
        (
            "ticket_keys=on",
            "a switch and neither own, shared nor fleet: write shared",
        ),
        ("region_size=1T", "not a number of bytes: write 256k to 4G"),
        ("region=here", "not an absolute path: write the path"),
        (
            "shared",
            "not a setting with a value: write it like ticket_keys=shared",
        ),
        ("group=", "empty, or not printable: write none"),
        // It would be a line of the unit.
        (
            "region=/x\nExecStartPre=/y",
            "empty, or not printable: write absolute path",
        ),
    ] {
        let run = root.say(tool, &["enable", "web", "verbose=1", written, "--force"])?;
        assert_eq!((run.code, &*run.out), (2, ""), "{run:?}");
        has_in_order(&run.err, &[words])?;
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
        assert!(!root.drop_in("web").exists());
    }
    let run = root.say(tool, &["enable", "web", "region=/x/y", "--region"])?;
    has_in_order(
        &run.err,
        &["region=auto: another region is asked for as well"],
    )
}

fn makes_a_region(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("web", "User=www-data")?;
    root.unit("app@", "")?;
    root.unit("job@", "")?;
    root.unit(
        "socketed",
        "RuntimeDirectory=socketed\nRuntimeDirectoryMode=2775",
    )?;
    root.unit("dovecot", "")?;
    let own = |folder: &str, mode: &str| {
        format!(
            "Environment=LD_PRELOAD=PRELOAD\nEnvironment=SSLCACHE_REGION=/run/{folder}/region\n\
             RuntimeDirectory={folder}\n{mode}RuntimeDirectoryPreserve=yes"
        )
    };
    let mode = "RuntimeDirectoryMode=0700\n";
    assert_eq!(
        root.enabled(tool, "web", &["region=auto"])?,
        own("sslcache-web", mode)
    );
    assert_eq!(
        root.enabled(tool, "app@", &["--region"])?,
        own("sslcache-app@%i", mode)
    );
    assert_eq!(
        root.enabled(tool, "job@x\\x2d1:y", &["--region"])?,
        own("sslcache-job@x-x2d1-y", mode)
    );
    // The mode is that of the service's own folder, too.
    assert_eq!(
        root.enabled(tool, "socketed", &["--region"])?,
        own("sslcache-socketed", "")
    );
    // This one has a folder already, for another user.
    let lines = root.enabled(tool, "dovecot", &["--region"])?;
    assert!(!lines.contains("RuntimeDirectory"), "{lines}");

    root.write("run/sslcache-web/region", "")?;
    root.write("run/sslcache-socketed/mine", "")?;
    for unit in ["web", "socketed"] {
        assert_eq!(root.say(tool, &["disable", unit])?.code, 0);
    }
    assert!(!root.file("run/sslcache-web").exists());
    assert!(root.file("run/sslcache-socketed/mine").exists());
    Ok(())
}

fn keeps_preloads(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    let preload = |list: &str| format!("Environment=LD_PRELOAD={list}");
    root.unit(
        "web",
        "Environment=A=1 \\\n# it's a comment\n  \"LD_PRELOAD=/usr/lib/libjemalloc.so.2\"",
    )?;
    assert_eq!(
        root.enabled(tool, "web", &[])?,
        preload("/usr/lib/libjemalloc.so.2:PRELOAD")
    );
    root.say(tool, &["disable", "web"])?;
    // A drop-in counts for more than the unit, one in /etc for more than one of its name elsewhere, and each for all
    // instances, too.
    root.unit("app@", "Environment=LD_PRELOAD=/lib/of-unit.so")?;
    root.write(
        "usr/lib/systemd/system/app@.service.d/a.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/lib/hidden.so\n",
    )?;
    root.write(
        "etc/systemd/system/app@.service.d/a.conf",
        "[Service]\nEnvironment='LD_PRELOAD=/lib/%i.so /b.so'\n",
    )?;
    let lines = root.enabled(tool, "app@blue", &[])?;
    assert_eq!(lines, "Environment=\"LD_PRELOAD=/lib/%i.so /b.so:PRELOAD\"");
    root.say(tool, &["disable", "app@blue"])?;
    root.write(
        "etc/systemd/system/app@.service.d/b.conf",
        "[Service]\nEnvironment=\n",
    )?;
    assert_eq!(root.enabled(tool, "app@blue", &[])?, preload("PRELOAD"));
    // Not for a service that is another's neighbour.
    root.unit("app-x", "")?;
    root.write(
        "etc/systemd/system/app.service.d/a.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/c.so\n",
    )?;
    assert_eq!(root.enabled(tool, "app-x", &[])?, preload("PRELOAD"));
    root.say(tool, &["disable", "app-x"])?;
    root.write(
        "etc/systemd/system/app-.service.d/a.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/d.so\n",
    )?;
    assert_eq!(root.enabled(tool, "app-x", &[])?, preload("/d.so:PRELOAD"));

    for (value, words) in [
        (
            "/old/libsslcache.so.0",
            "web.service: preloads sslcache already",
        ),
        (
            "/a\\x5cb.so",
            "web.service: sets LD_PRELOAD to what this tool does not write anew: append :/",
        ),
    ] {
        root.unit("web", &format!("Environment=LD_PRELOAD={value}"))?;
        let run = root.say(tool, &["enable", "web"])?;
        assert_eq!(run.code, 1, "{run:?}");
        has_in_order(&run.err, &[words])?;
    }
    Ok(())
}

fn refuses_what_is_overruled(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    let later = "etc/systemd/system/web.service.d/zz.conf";
    root.unit("web", "")?;
    for (text, words) in [
        (
            "Environment=LD_PRELOAD=/a.so",
            "sets LD_PRELOAD, and is read after the drop-in",
        ),
        (
            "Environment=",
            "empties Environment=, and is read after the drop-in",
        ),
        (
            "UnsetEnvironment=A LD_PRELOAD",
            "has UnsetEnvironment=LD_PRELOAD",
        ),
    ] {
        root.write(later, &format!("[Service]\n{text}\n"))?;
        root.refuses(tool, "web", &["web: ", "zz.conf ", words])?;
    }
    fs::remove_file(root.file(later))?;
    root.unit("web", "EnvironmentFile=-/etc/default/web")?;
    root.write(
        "etc/default/web",
        "# LD_PRELOAD=/x.so\nSSLCACHE_GROUP=mine\n",
    )?;
    assert_eq!(
        root.enabled(tool, "web", &[])?,
        "Environment=LD_PRELOAD=PRELOAD"
    );
    root.say(tool, &["disable", "web"])?;
    let run = root.say(tool, &["enable", "web", "group=certificate"])?;
    assert_eq!(run.code, 1, "{run:?}");
    has_in_order(
        &run.err,
        &["etc/default/web sets SSLCACHE_GROUP, and an EnvironmentFile= counts for more"],
    )
}

fn refuses_what_gains_nothing(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("postfix@", "")?;
    for unit in ["postfix@", "postfix@-"] {
        root.refuses(
            tool,
            unit,
            &["it gains nothing: its sessions are in a database of its own"],
        )?;
    }
    // Debian's postfix.service runs /bin/true.
    let run = root.say(tool, &["enable", "postfix"])?;
    assert_eq!(run.code, 1, "{run:?}");
    has_in_order(&run.err, &["postfix@: it gains nothing"])?;

    root.refuses(
        tool,
        "ngnix",
        &[
            "ngnix: there is no such service here: correct the name",
            "--force",
        ],
    )?;
    fs::create_dir_all(root.file("etc/systemd/system"))?;
    symlink("/dev/null", root.file("etc/systemd/system/masked.service"))?;
    root.refuses(
        tool,
        "masked",
        &["masked: it is masked", "systemctl unmask"],
    )?;

    root.program("static", &["-static"])?;
    root.program("plain", &[])?;
    root.program("privileged", &["-Wl,--no-as-needed", "-lssl"])?;
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(root.file("usr/sbin/privileged"), mode)?;
    root.write(
        "etc/passwd",
        "root:x:0:0::/:/bin/sh\nweb:x:4711:4711::/:/bin/sh\n",
    )?;
    for (lines, words) in [
        (
            "ExecStart=\nExecStart=/usr/sbin/static",
            "its program /usr/sbin/static is statically linked",
        ),
        (
            "ExecStart=\nExecStart=+/usr/sbin/plain",
            "its program /usr/sbin/plain has no libssl",
        ),
        (
            "ExecStart=\nExecStart=/usr/sbin/none",
            "there is no /usr/sbin/none",
        ),
        ("ExecStart=", "its unit has no ExecStart="),
        (
            "User=web\nExecStart=\nExecStart=/usr/sbin/privileged",
            "its program /usr/sbin/privileged is a set-user-ID program: the loader ignores LD_PRELOAD",
        ),
        (
            "ExecStart=\nExecStart=/usr/bin/env LD_PRELOAD=/a.so /usr/sbin/server",
            "its ExecStart= sets LD_PRELOAD=/a.so",
        ),
        ("RootDirectory=/srv/web", "it runs in a root of its own"),
    ] {
        root.unit("web", lines)?;
        root.refuses(tool, "web", &[&format!("web: {words}")])?;
    }
    // The owner gains no rights by it.
    let owner = fs::metadata(root.file("usr/sbin/privileged"))?;
    let owner = std::os::unix::fs::MetadataExt::uid(&owner);
    root.unit(
        "web",
        &format!("User={owner}\nExecStart=\nExecStart=/usr/sbin/privileged"),
    )?;
    root.enabled(tool, "web", &[]).map(drop)
}

fn refuses_names(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    for (name, words) in [
        (
            "web.socket",
            "not a service: such a unit runs no program itself: name the service that it starts, such as web.service",
        ),
        ("../../etc", "not the name of a unit"),
        ("@", "not the name of a unit"),
        (
            "a@b@c",
            "not the name of a unit: write it like gunicorn@blue",
        ),
        ("a\nb", "a\\nb: not the name of a unit"),
        ("", "not the name of a unit"),
    ] {
        for what in [&["enable", name, "--force"][..], &["disable", name]] {
            let run = root.say(tool, what)?;
            assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
            has_in_order(&run.err, &[words])?;
        }
    }
    assert!(!root.file("etc").exists());
    Ok(())
}

fn verifies(tool: &Tool) -> Outcome {
    let root = Root::new(tool)?;
    root.unit("web", "")?;
    let file = root.drop_in("web");
    let bin = Folder::new()?;
    let analyze = bin.file("systemd-analyze");
    let path = format!("{}:{}", bin.0.display(), std::env::var("PATH")?);
    let enable = |more: &[&str]| {
        let mut command = tool.command(&root.folder.0);
        command
            .args(["enable", "web", "--root"])
            .arg(&root.folder.0);
        said(command.args(more).env("PATH", &path))
    };
    // What is found elsewhere was there before, and does not count.
    let script = |found: &Path| {
        format!(
            "#!/bin/sh\necho \"$@\" >{}\necho '{}:7: Unknown key' >&2\nexit 1\n",
            bin.file("asked").display(),
            found.display()
        )
    };
    fs::write(
        &analyze,
        script(Path::new("/usr/lib/systemd/system/web.service")),
    )?;
    fs::set_permissions(&analyze, fs::Permissions::from_mode(0o755))?;
    let run = enable(&[])?;
    assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
    let asked = fs::read_to_string(bin.file("asked"))?;
    has_in_order(&asked, &["verify", "--root=", " web.service\n"])?;

    // With a finding in our lines, nothing has changed.
    let before = fs::read_to_string(&file)?;
    fs::write(&analyze, script(&file))?;
    let run = enable(&["verbose=1", "--force"])?;
    assert_eq!((run.code, &*run.out), (2, ""), "{run:?}");
    has_in_order(
        &run.err,
        &[
            "web: systemd refuses it: ",
            "sslcache.conf:7: Unknown key: nothing was changed",
        ],
    )?;
    assert_eq!(fs::read_to_string(&file)?, before);
    fs::remove_file(&file)?;
    assert_eq!(enable(&[])?.code, 2);
    assert!(!file.exists());
    Ok(())
}
