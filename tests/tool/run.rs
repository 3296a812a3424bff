//! `sslcache run`.

use std::process::Command;

use crate::Case;
use crate::server::Server;
use crate::tool::{Folder, Outcome, Tool, compile, has_in_order, said};

pub const CASES: &[Case] = &[
    (
        "run brings the cache into a server, which resumes",
        brings_it_in,
    ),
    ("run takes each form", takes_each_form),
    (
        "run hands the program's own arguments and exit code on",
        hands_on,
    ),
    (
        "run refuses a wrong setting, and says what to write",
        refuses_wrong_settings,
    ),
    (
        "run takes settings from options, environment and file",
        takes_settings,
    ),
    (
        "a program says what has become of the region that was set",
        says_of_the_region,
    ),
    ("run refuses what cannot be reached", refuses_unreachable),
    (
        "run finds the libraries in the folder that the installation wrote down",
        libraries_elsewhere,
    ),
    (
        "run without the library in front refuses, with its own exit code",
        without_the_library,
    ),
];

/// Makes a context, so that sslcache prints its line about it.
const CONTEXT: &str = "import ssl; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)";
const PYTHON: &str = "/usr/bin/python3";

fn brings_it_in(tool: &Tool) -> Outcome {
    let settings = "ssl_session_tickets off; ssl_session_cache builtin:1000;";
    let mut server = Server::start(tool, &["--verbose"], settings)?;
    for protocol in ["1.2", "1.3"] {
        assert_eq!(server.visit(protocol)?, "full=20 resumed=20 held=server");
    }
    server.stop()?;
    has_in_order(
        &server.log(),
        &["sslcache 0", " active, preloaded, in front of /"],
    )
}

fn takes_each_form(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let in_front = format!(
        "active, as {}",
        tool.stage.join("lib/sslcache/libssl.so.3").display()
    );
    for (options, said) in [
        (&["--verbose"][..], &*in_front), // python loads libssl at run time
        (&["--verbose", "--form", "libssl"], &*in_front),
    ] {
        let arguments = [&["run"][..], options, &["--", PYTHON, "-c", CONTEXT]].concat();
        let run = tool.say(&folder.0, &arguments)?;
        assert_eq!((run.code, &*run.out), (0, ""), "{run:?}");
        has_in_order(&run.err, &[said])?;
    }
    let run = tool.say(
        &folder.0,
        &[
            "run",
            "--form=preload",
            "--verbose",
            "--",
            "openssl",
            "ciphers",
        ],
    )?;
    has_in_order(&run.err, &["active, preloaded, in front of"])
}

fn hands_on(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let run = tool.say(
        &folder.0,
        &[
            "run",
            "sh",
            "-c",
            "echo \"$@\"; exit 7",
            "sh",
            "--verbose",
            "--",
            "-x",
        ],
    )?;
    assert_eq!(
        (run.code, &*run.out, &*run.err),
        (7, "--verbose -- -x\n", "")
    );
    let run = tool.say(&folder.0, &["run", "--", "no-such-program"])?;
    assert_eq!(run.code, 127, "{run:?}");
    assert_eq!(
        run.err,
        "sslcache run: no-such-program: no such program in PATH: install it, or give its path\n"
    );
    Ok(())
}

fn refuses_wrong_settings(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    for (option, said) in [
        (
            "--region=here",
            "sslcache run: --region=here: not an absolute path: write the path of a file from / on, such as \
             /run/myserver/region\n",
        ),
        (
            "--region-size=1T",
            "sslcache run: --region-size=1T: not a number of bytes: write 256k to 4G, such as 64M\n",
        ),
        (
            "--ticket-keys=shred",
            "sslcache run: --ticket-keys=shred: neither own, shared nor fleet: did you mean shared?\n",
        ),
        (
            "--ticket-keys=on",
            "sslcache run: --ticket-keys=on: a switch and neither own, shared nor fleet: write shared to have all processes use \
             one set of keys, fleet for all hosts, or own\n",
        ),
        (
            "--force=yse",
            "sslcache run: --force=yse: neither 0 nor 1: did you mean yes? Write 0 or 1\n",
        ),
    ] {
        let run = tool.say(&folder.0, &["run", option, "--", "true"])?;
        assert_eq!((run.code, &*run.err), (125, said));
    }
    let run = tool.say(&folder.0, &["run", "--gruop=x", "--", "true"])?;
    assert_eq!(run.code, 2, "{run:?}");
    has_in_order(&run.err, &["'--gruop'", "'--group'"])
}

fn takes_settings(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let file = folder.file("settings.toml");
    std::fs::write(
        &file,
        "verbose = true\ngroup = \"of-file\"\nregion_size = \"1M\"\n",
    )?;
    let file = file.to_str().ok_or("not text")?;
    let program = "import ssl, os, glob, sys\nssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
                   page = open(glob.glob(os.environ['XDG_RUNTIME_DIR'] + '/sslcache/*.page')[0], 'rb').read()\n\
                   print([line for line in page[768:4096].decode().split('\\n') if '=' in line])";
    let settings = |options: &[&str], environment: &[(&str, &str)]| {
        let mut command = tool.command(&folder.0);
        command
            .arg("run")
            .args(options)
            .args(["--", PYTHON, "-c", program]);
        said(command.envs(environment.iter().copied()))
    };
    let of_file = settings(&["--config", file], &[])?;
    has_in_order(
        &of_file.out,
        &["region_size=1M", "group=of-file", "verbose=1"],
    )?;
    has_in_order(&of_file.err, &["active"])?;
    let both = settings(&["--config", file], &[("SSLCACHE_GROUP", "of-environment")])?;
    has_in_order(
        &both.out,
        &["region_size=1M", "group=of-environment", "verbose=1"],
    )?;
    let all = settings(
        &["--config", file, "--group=of-option"],
        &[("SSLCACHE_GROUP", "of-environment")],
    )?;
    has_in_order(
        &all.out,
        &["region_size=1M", "group=of-option", "verbose=1"],
    )?;
    let wrong = settings(&[], &[("SSLCACHE_GRUOP", "x")])?;
    assert_eq!(
        wrong.err,
        "sslcache: SSLCACHE_GRUOP is no setting and does nothing: did you mean SSLCACHE_GROUP?\n"
    );
    Ok(())
}

fn says_of_the_region(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let region = folder.file("region");
    let shown = region.display();
    let run = |options: &[&str]| {
        let region = format!("--region={shown}");
        let words = [
            &["run", &region][..],
            options,
            &["--", PYTHON, "-c", CONTEXT],
        ]
        .concat();
        let run = tool.say(&folder.0, &words)?;
        assert_eq!((run.code, &*run.out), (0, ""), "{run:?}");
        Ok::<_, Box<dyn std::error::Error>>(run.err)
    };
    let said = run(&["--region-size=1M", "--verbose"])?;
    has_in_order(
        &said,
        &[
            "sslcache 0",
            " active, ",
            &format!(", with the region {shown}\n"),
        ],
    )?;
    assert_eq!(run(&["--region-size=1M"])?, "");
    let size = format!(
        "sslcache: shared region {shown} has 1M, as it was made with, and not 2M: to change that, remove"
    );
    has_in_order(&run(&["--region-size=2M"])?, &[&size])?;
    std::fs::set_permissions(&region, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let said = run(&["--verbose"])?;
    has_in_order(
        &said,
        &[
            "has mode 0644: others may use it",
            " active, ",
            &format!(", without the region {shown}\n"),
        ],
    )
}

fn refuses_unreachable(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let program = folder.file("static");
    compile("int main(void) { return 3; }", &program, &["-static"])?;
    let program = program.to_str().ok_or("not text")?;
    let run = tool.say(&folder.0, &["run", "--", program])?;
    let said = format!(
        "sslcache run: {program}: statically linked, so no library can come into it: take a dynamically linked build of it\n"
    );
    assert_eq!((run.code, run.err), (125, said));
    Ok(())
}

/// An installation with another LIBDIR than PREFIX/lib, as on Debian.
fn libraries_elsewhere(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    for name in ["bin", "share/sslcache", "elsewhere"] {
        std::fs::create_dir_all(folder.file(name))?;
    }
    let copy = folder.file("bin/sslcache");
    std::fs::copy(tool.stage.join("bin/sslcache"), &copy)?;
    let library = folder.file("elsewhere/libsslcache.so.0");
    std::fs::copy(tool.stage.join("lib/libsslcache.so.0"), &library)?;
    let run = || said(Command::new(&copy).args(["run", "--", "openssl", "version"]));
    let before = run()?;
    assert_eq!(before.code, 125, "{before:?}");
    has_in_order(
        &before.err,
        &[
            "libsslcache.so.0: not in ",
            "/lib: install sslcache with its libraries",
        ],
    )?;
    let told = format!("{}\n", folder.file("elsewhere").display());
    std::fs::write(folder.file("share/sslcache/libdir"), told)?;
    let after = run()?;
    assert_eq!((after.code, &*after.err), (0, ""), "{after:?}");
    Ok(())
}

/// An installation as a package leaves it after an update of libssl that the library in front does not fit.
fn without_the_library(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    for folder in [folder.file("bin"), folder.file("lib")] {
        std::fs::create_dir(folder)?;
    }
    let copy = folder.file("bin/sslcache");
    std::fs::copy(tool.stage.join("bin/sslcache"), &copy)?;
    std::fs::write(folder.file("lib/libsslcache.so.0"), "")?;
    let run = said(Command::new(&copy).args(["run", "--form", "libssl", "--", "true"]))?;
    assert_eq!(run.code, 125, "{run:?}");
    has_in_order(
        &run.err,
        &["lib/sslcache/libssl.so.3: is not there: ", "--form preload"],
    )
}
