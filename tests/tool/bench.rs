//! `sslcache bench` measures both libraries. The results depend on the machine and are not checked.

use crate::Case;
use crate::tool::{Folder, Outcome, Tool, has_in_order};

pub const CASES: &[Case] = &[("bench measures both libraries", both)];

fn both(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let bench = tool.say(&folder.0, &["bench", "--seconds", "1"])?;
    assert_eq!((bench.code, &*bench.err), (0, ""));
    has_in_order(
        &bench.out,
        &[
            "OpenSSL 3.",
            "processors",
            "libssl",
            "sslcache",
            "adding to 1,000 sessions",
            " ns",
            "added by 4 threads",
        ],
    )?;
    let adds = bench
        .out
        .lines()
        .find(|line| line.starts_with("adding to 1,000"))
        .ok_or("no such line")?;
    assert_eq!(adds.matches(" ns").count(), 2, "{adds}");
    Ok(())
}
