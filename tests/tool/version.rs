//! `sslcache --version`, and with --verbose.

use crate::Case;
use crate::tool::{Folder, Outcome, Tool, has_in_order};

pub const CASES: &[Case] = &[(
    "--version is a line, and --verbose says what is found",
    version,
)];

fn version(tool: &Tool) -> Outcome {
    let runtime = Folder::new()?;
    let line = concat!("sslcache ", env!("CARGO_PKG_VERSION"), "\n");
    for option in ["--version", "-V"] {
        let said = tool.say(&runtime.0, &[option])?;
        assert_eq!((said.code, &*said.out, &*said.err), (0, line, ""));
    }
    std::fs::create_dir(runtime.file("sslcache"))?;
    let said = tool.say(&runtime.0, &["--version", "--verbose"])?;
    let preload = tool.stage.join("lib/libsslcache.so.0");
    let target = concat!("which is libsslcache.so.", env!("CARGO_PKG_VERSION"), "\n");
    assert!(said.code == 0 && said.out.starts_with(line), "{said:?}");
    has_in_order(
        &said.out,
        &[
            &format!("library to preload:   {}", preload.display()),
            target,
            "library in front:     /",
            "host libssl:          /",
            "OpenSSL ",
            "settings file:        ",
        ],
    )?;
    has_in_order(
        &said.out,
        &[&format!(
            "folders of figures:   {}\n",
            runtime.file("sslcache").display()
        )],
    )?;
    // Neither alone nor before a subcommand.
    for arguments in [&["--verbose"][..], &["--version", "stat"]] {
        assert_eq!(tool.say(&runtime.0, arguments)?.code, 2, "{arguments:?}");
    }
    Ok(())
}
