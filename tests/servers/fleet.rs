//! Two hosts of a fleet: what `make demo-fleet` shows holds, for ticket keys and for sessions. It starts nginx twice, two agents
//! and a Redis, and fails if a row is not as it should be.

use crate::fixture::{Fixture, is_installed};
use libtest_mimic::{Failed, Trial};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

pub fn trials(fixture: &Arc<Fixture>) -> Vec<Trial> {
    let missing =
        fixture.stage.is_none() || !["nginx", "redis-server"].into_iter().all(is_installed);
    let stage = fixture.stage.clone();
    let test = move || two_hosts(&stage.ok_or("no stage: run `make` first")?);
    vec![Trial::test("fleet: two hosts with nginx", test).with_ignored_flag(missing)]
}

fn two_hosts(stage: &Path) -> Result<(), Failed> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/demo-fleet");
    let output = Command::new(demo).arg(stage).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Err(format!(
        "{}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
    .into())
}
