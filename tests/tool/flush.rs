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
    (
        "flush where other hosts have sessions, too: it says so",
        fleet,
    ),
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

fn fleet(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let region = folder.file("region");
    let path = region.to_string_lossy();
    let of_region = format!("--region={path}");
    let server = Server::start(
        tool,
        &[&of_region, "--ticket-keys=fleet", "--group=web"],
        SETTINGS,
    )?;
    let pid = server.pid()?.to_string();
    let told = [
        "until they have each handled their next",
        "sslcache agent flush",
    ];
    let of_pid = ["flush", "--pid", &*pid];
    for arguments in [of_pid, ["flush", "--region", &*path]] {
        let said = tool.say(&server.runtime.0, &arguments)?;
        // The processes of the region are asked as well.
        has_in_order(&said.out, &["asked: ", told[0], told[1]])?;
    }
    Ok(())
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
