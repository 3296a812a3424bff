//! `sslcache enable` and `sslcache disable`, with a folder as the root of the system.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Case;
use crate::tool::{Folder, Outcome, Said, Tool, has_in_order};

pub const CASES: &[Case] = &[
    (
        "enable writes a drop-in, and disable takes it away",
        there_and_back,
    ),
    (
        "enable and disable leave alone what others wrote",
        leaves_others_alone,
    ),
    (
        "enable says where a service is not installed",
        says_what_is_missing,
    ),
    ("enable refuses a service that it does not know", refuses),
];

/// The name of each service, and its unit.
const SERVICES: [(&str, &str); 5] = [
    ("nginx", "nginx"),
    ("apache2", "apache2"),
    ("haproxy", "haproxy"),
    ("postfix", "postfix@"),
    ("dovecot", "dovecot"),
];

fn file_of(root: &Path, unit: &str) -> PathBuf {
    root.join(format!("etc/systemd/system/{unit}.service.d/sslcache.conf"))
}

fn say(
    tool: &Tool,
    root: &Folder,
    what: &str,
    service: &str,
) -> Result<Said, Box<dyn std::error::Error>> {
    let folder = root.0.to_str().ok_or("a strange folder")?;
    tool.say(&root.0, &[what, service, "--root", folder])
}

fn there_and_back(tool: &Tool) -> Outcome {
    let root = Folder::new()?;
    let preload = tool.stage.join("lib/libsslcache.so.0");
    for (service, unit) in SERVICES {
        let file = file_of(&root.0, unit);
        let run = say(tool, &root, "enable", service)?;
        assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
        has_in_order(
            &run.out,
            &[
                &format!("{service}: enabled, by {}", file.display()),
                &format!("systemctl daemon-reload && systemctl restart {service}\n"),
            ],
        )?;
        let is_told_of_a_cache = run.out.contains("of its own");
        let has_one = ["apache2", "haproxy", "postfix"].contains(&service);
        assert_eq!(is_told_of_a_cache, has_one, "{run:?}");
        let text = fs::read_to_string(&file)?;
        has_in_order(
            &text,
            &[
                "# sslcache for ",
                "\n[Service]",
                &format!("\nEnvironment=LD_PRELOAD={}\n", preload.display()),
            ],
        )?;
        assert!(!text.contains("@LIBDIR@"), "{text}");

        let run = say(tool, &root, "enable", service)?;
        assert_eq!(
            (run.code, &*run.out),
            (0, &*format!("{service}: enabled already\n"))
        );
        let run = say(tool, &root, "disable", service)?;
        assert_eq!((run.code, &*run.err), (0, ""), "{run:?}");
        assert!(
            !file.parent().is_some_and(Path::exists),
            "{file:?} is there"
        );
        let run = say(tool, &root, "disable", service)?;
        assert_eq!(
            (run.code, &*run.out),
            (0, &*format!("{service}: not enabled\n"))
        );
    }
    Ok(())
}

fn leaves_others_alone(tool: &Tool) -> Outcome {
    let root = Folder::new()?;
    let file = file_of(&root.0, "nginx");
    let beside = file.with_file_name("limits.conf");
    say(tool, &root, "enable", "nginx")?;
    fs::write(&beside, "[Service]\n")?;

    // `enable` leaves a file that the administrator has edited; `disable` removes it.
    let edited = fs::read_to_string(&file)?.replace("#Environment", "Environment");
    fs::write(&file, &edited)?;
    let run = say(tool, &root, "enable", "nginx")?;
    assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
    has_in_order(&run.err, &["differs", "sslcache disable nginx"])?;
    assert_eq!(fs::read_to_string(&file)?, edited);
    assert_eq!(say(tool, &root, "disable", "nginx")?.code, 0);
    assert!(!file.exists() && beside.exists());

    fs::write(&file, "[Service]\nNice=5\n")?;
    for what in ["enable", "disable"] {
        let run = say(tool, &root, what, "nginx")?;
        assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
        has_in_order(&run.err, &["was not written by sslcache: look at it"])?;
    }
    assert_eq!(fs::read_to_string(&file)?, "[Service]\nNice=5\n");
    Ok(())
}

fn says_what_is_missing(tool: &Tool) -> Outcome {
    const WORDS: &str = "There is no nginx.service here";
    let root = Folder::new()?;
    let run = say(tool, &root, "enable", "nginx")?;
    has_in_order(&run.out, &[WORDS])?;
    say(tool, &root, "disable", "nginx")?;

    let units = root.file("usr/lib/systemd/system");
    fs::create_dir_all(&units)?;
    fs::write(units.join("nginx.service"), "")?;
    let run = say(tool, &root, "enable", "nginx")?;
    assert!(run.code == 0 && !run.out.contains(WORDS), "{run:?}");
    Ok(())
}

fn refuses(tool: &Tool) -> Outcome {
    let root = Folder::new()?;
    let run = say(tool, &root, "enable", "ngnix")?;
    assert_eq!((run.code, &*run.out), (2, ""), "{run:?}");
    has_in_order(
        &run.err,
        &["ngnix", "nginx, apache2, haproxy, postfix, dovecot"],
    )?;
    assert!(!root.file("etc").exists());
    Ok(())
}
