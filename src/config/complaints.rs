//! What was wrong with the settings, in one line: each with the thing, the reason and the remedy.

use std::ffi::OsStr;
use std::fmt;

/// With more than this many the line would be cut, or split by what others write.
const SAID: usize = 6;

/// Complaints in the order in which they arose.
#[derive(Default)]
pub struct Complaints(Vec<String>);

impl Complaints {
    /// One more.
    pub fn add(&mut self, complaint: String) {
        self.0.push(complaint);
    }

    /// All of them; `None` where there is none.
    pub fn line(&self) -> Option<String> {
        let mut line = self.0.get(..SAID).unwrap_or(&self.0).join("; ");
        if self.0.len() > SAID {
            line += &format!("; and {} more", self.0.len() - SAID);
        }
        (!line.is_empty()).then_some(line)
    }
}

/// What somebody wrote, fit for a terminal: without what controls it, and no more than tells it from others.
pub struct Shown<'a>(pub &'a OsStr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 100;
        let text = self.0.to_string_lossy();
        for char in text.chars().take(LONGEST) {
            write!(out, "{}", char.escape_debug())?;
        }
        if text.chars().nth(LONGEST).is_some() {
            out.write_str("…")?;
        }
        Ok(())
    }
}
