//! `sslcache flush`.

use crate::Case;
use crate::server::Server;
use crate::tool::{Folder, Outcome, Tool, has_in_order};

pub const CASES: &[Case] = &[
    (
        "flush of a process: nobody from before is resumed, everybody from after",
        process,
    ),
    ("flush of a region", region),
    ("flush of all, where there is nobody", nobody),
];

const SETTINGS: &str = "ssl_session_tickets off; ssl_session_cache builtin:1000;";

fn process(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &[], SETTINGS)?;
    let pid = server.pid()?.to_string();
    let of_one = ["flush", "--pid", &*pid];
    let mut ways = vec![&of_one[..]];
    if tool.alone {
        ways.push(&["flush", "--all"][..]);
    }
    for arguments in ways {
        assert_eq!(
            server.visit_with_flush(tool, "1.2", arguments)?,
            "full=20 resumed=0 held=server"
        );
        assert_eq!(server.visit("1.2")?, "full=20 resumed=20 held=server");
    }
    Ok(())
}

fn region(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let region = folder.file("region");
    let server = Server::start(tool, &[&format!("--region={}", region.display())], SETTINGS)?;
    let path = region.to_string_lossy();
    let arguments = ["flush", "--region", &*path];
    assert_eq!(
        server.visit_with_flush(tool, "1.2", &arguments)?,
        "full=20 resumed=0 held=server"
    );
    let again = tool.say(&server.runtime.0, &arguments)?;
    // The clients that came back were given new sessions.
    has_in_order(&again.out, &["20 sessions removed"])
}

fn nobody(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let flush = tool.say(&folder.0, &["flush", "--pid", "4194304"])?;
    assert_eq!(flush.code, 2);
    has_in_order(&flush.err, &["process 4194304: there is no such process: "])?;
    let flush = tool.say(&folder.0, &["flush"])?;
    assert_eq!(flush.code, 2);
    has_in_order(&flush.err, &["--pid <N>", "--region <PATH>", "--all"])
}
