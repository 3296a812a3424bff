//! The line about settings that were not understood: the name of each, the reason and the remedy.

use std::ffi::OsStr;
use std::fmt;

/// The most complaints in the line: a longer line would be cut, or split by the output of other processes.
const SHOWN: usize = 6;

/// Complaints in the order in which they arose.
#[derive(Default)]
pub struct Complaints(Vec<String>);

impl Complaints {
    /// Adds a complaint.
    pub fn add(&mut self, complaint: String) {
        self.0.push(complaint);
    }

    /// All complaints as one line; `None` if there is none.
    pub fn line(&self) -> Option<String> {
        let mut line = self.0.get(..SHOWN).unwrap_or(&self.0).join("; ");
        if self.0.len() > SHOWN {
            line += &format!("; and {} more", self.0.len() - SHOWN);
        }
        (!line.is_empty()).then_some(line)
    }
}

/// Text from outside, made fit for a terminal: control characters are escaped, and long text is cut.
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
