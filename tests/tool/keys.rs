//! `sslcache keys`, and `sslcache flush --ticket-keys`.

use serde_json::Value;

use crate::Case;
use crate::server::Server;
use crate::tool::{Folder, Outcome, Said, Tool, has_in_order};

pub const CASES: &[Case] = &[
    (
        "keys that processes share are shown, turned and forgotten",
        shared,
    ),
    (
        "keys of a region are shown, turned and forgotten without its processes",
        region,
    ),
    (
        "keys of a file are forgotten for all, and before a restart",
        region_of_two,
    ),
    (
        "keys are forgotten however often they were turned",
        turned_often,
    ),
    (
        "keys that each context has for itself cannot be turned or forgotten",
        own,
    ),
    (
        "keys of contexts that make their tickets by sslcache are forgotten",
        strict,
    ),
    ("keys that are not shared have a reason", certificates),
];

const TICKETS: &str = "ssl_session_tickets on; ssl_session_cache off;";
const RETURNED: &str = "full=20 resumed=20 held=client";
const REFUSED: &str = "full=20 resumed=0 held=client";

/// What `sslcache keys --json` says of the one tree there is.
fn keys(tool: &Tool, server: &Server) -> Result<Value, Box<dyn std::error::Error>> {
    let pid = server.pid()?.to_string();
    let Said { out, err, .. } = tool.say(&server.runtime.0, &["keys", "--json", "--pid", &pid])?;
    let mut value: Value = serde_json::from_str(&out).map_err(|error| format!("{error}: {err}"))?;
    assert_eq!(value["schema"], "sslcache-keys-1");
    Ok(value["trees"][0].take())
}

fn shared(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &["--ticket-keys=shared"], TICKETS)?;
    let pid = server.pid()?.to_string();
    let shown = tool.say(&server.runtime.0, &["keys", "--pid", &pid])?;
    assert_eq!(shown.code, 0);
    has_in_order(&shown.out, &["(nginx)", "keys      shared; none yet"])?;

    let rotate = ["keys", "--rotate", "--pid", &*pid];
    assert_eq!(server.visit_with_flush(tool, "1.2", &rotate)?, RETURNED);
    assert_eq!(server.visit("1.3")?, RETURNED);
    let after = keys(tool, &server)?;
    assert_eq!(
        (&after["shared"]["keys"], &after["ticket_keys"]),
        (&2.into(), &"shared".into())
    );
    assert!(after["shared"]["turn_ends"].as_u64() > after["shared"]["made"].as_u64());
    assert_eq!(after["tickets_made_own"], 0);
    assert!(after["tickets_opened_shared"].as_u64() >= Some(40));

    let forget = ["flush", "--ticket-keys", "--pid", &*pid];
    for protocol in ["1.2", "1.3", "1.2"] {
        assert_eq!(server.visit_with_flush(tool, protocol, &forget)?, REFUSED);
        assert_eq!(server.visit(protocol)?, RETURNED);
    }
    let after = keys(tool, &server)?;
    assert_eq!(after["shared"]["keys"], 1);
    assert_eq!(after["tickets_unopened"], 60);

    // Until the next ticket the keys are shown as they were, and so is what was asked.
    for (request, words) in [
        (&rotate, "asked     for a new key"),
        (&forget, "asked     to forget these keys"),
    ] {
        assert_eq!(tool.say(&server.runtime.0, request)?.code, 0);
        let awaited = tool.say(&server.runtime.0, &["keys", "--pid", &pid])?.out;
        has_in_order(&awaited, &["keys      shared", words])?;
        assert_eq!(
            awaited.contains("  open  "),
            request == &rotate,
            "{awaited}"
        );
        assert_eq!(server.visit("1.2")?, RETURNED);
        let done = tool.say(&server.runtime.0, &["keys", "--pid", &pid])?.out;
        assert!(!done.contains("asked"), "{done}");
    }
    Ok(())
}

/// A server whose processes have their keys in a file.
struct WithRegion<'a> {
    tool: &'a Tool,
    server: Server,
    path: String,
    _folder: Folder,
}

impl<'a> WithRegion<'a> {
    fn start(tool: &'a Tool) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = Folder::new()?;
        let path = folder.file("region").to_string_lossy().into_owned();
        let options = [&*format!("--region={path}"), "--ticket-keys=shared"];
        Ok(Self {
            tool,
            server: Server::start(tool, &options, TICKETS)?,
            path,
            _folder: folder,
        })
    }

    fn say(&self, arguments: &[&str]) -> Result<Said, Box<dyn std::error::Error>> {
        self.tool.say(&self.server.runtime.0, arguments)
    }

    /// How many keys open tickets, as the file itself says.
    fn number(&self) -> Result<Value, Box<dyn std::error::Error>> {
        let said = self.say(&["keys", "--json", "--region", &self.path])?;
        let mut value: Value = serde_json::from_str(&said.out)?;
        Ok(value["shared"]["keys"].take())
    }
}

fn region(tool: &Tool) -> Outcome {
    let region = WithRegion::start(tool)?;
    assert_eq!(region.number()?, Value::Null);
    let rotate = ["keys", "--rotate", "--region", &*region.path];
    assert_eq!(
        region.server.visit_with_flush(tool, "1.2", &rotate)?,
        RETURNED
    );
    assert_eq!(region.number()?, 2);
    let flush = region.say(&["flush", "--ticket-keys", "--region", &region.path])?;
    assert_eq!(flush.code, 0, "{flush:?}");
    assert_eq!(region.number()?, Value::Null);
    Ok(())
}

/// The order is given to one server, which is asked for no ticket before the region is looked at.
fn region_of_two(tool: &Tool) -> Outcome {
    let region = WithRegion::start(tool)?;
    assert_eq!(region.server.visit("1.2")?, RETURNED);
    let pid = region.server.pid()?.to_string();
    for (arguments, left) in [
        (&["keys", "--rotate", "--pid", &*pid][..], Value::from(2)),
        (&["flush", "--ticket-keys", "--pid", &*pid], Value::Null),
    ] {
        let said = region.say(arguments)?;
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(region.number()?, left);
    }
    Ok(())
}

fn turned_often(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &["--ticket-keys=shared"], TICKETS)?;
    let pid = server.pid()?.to_string();
    for _ in 0..40 {
        let said = tool.say(&server.runtime.0, &["keys", "--rotate", "--pid", &pid])?;
        assert_eq!(said.code, 0, "{said:?}");
    }
    let forget = ["flush", "--ticket-keys", "--pid", &*pid];
    assert_eq!(server.visit_with_flush(tool, "1.2", &forget)?, REFUSED);
    Ok(())
}

fn own(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &[], TICKETS)?;
    let pid = server.pid()?.to_string();
    assert_eq!(server.visit("1.2")?, RETURNED);
    let shown = tool.say(&server.runtime.0, &["keys", "--pid", &pid])?;
    has_in_order(
        &shown.out,
        &["each context has its own", "SSLCACHE_TICKET_KEYS=shared"],
    )?;
    for (arguments, parts) in [
        (
            &["keys", "--rotate", "--pid", &*pid][..],
            ["not asked", "SSLCACHE_TICKET_KEYS=shared"],
        ),
        (
            &["flush", "--ticket-keys", "--pid", &*pid],
            ["libssl's", "restart it"],
        ),
    ] {
        let said = tool.say(&server.runtime.0, arguments)?;
        assert_eq!(said.code, 1, "{said:?}");
        has_in_order(&said.out, &parts)?;
    }
    Ok(())
}

/// With strict names sslcache makes the tickets, with keys that follow from libssl's.
fn strict(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &["--strict-names=1"], TICKETS)?;
    let pid = server.pid()?.to_string();
    assert_eq!(server.visit("1.2")?, RETURNED);
    let forget = ["flush", "--ticket-keys", "--pid", &*pid];
    assert_eq!(server.visit_with_flush(tool, "1.2", &forget)?, REFUSED);
    assert_eq!(server.visit("1.2")?, RETURNED);
    Ok(())
}

fn certificates(tool: &Tool) -> Outcome {
    let settings = format!("{TICKETS} ssl_verify_client optional_no_ca;");
    let server = Server::start(tool, &["--ticket-keys=shared"], &settings)?;
    let pid = server.pid()?.to_string();
    assert_eq!(server.visit("1.2")?, RETURNED);
    let shown = tool.say(&server.runtime.0, &["keys", "--pid", &pid])?;
    assert_eq!(shown.code, 1, "{shown:?}");
    has_in_order(
        &shown.out,
        &["own keys  process ", "clients are asked for certificates"],
    )
}
