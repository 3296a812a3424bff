//! A failure: the thing that failed, the reason, the remedy.

use std::fmt;

/// Shown as one line: `thing: reason: remedy`.
#[derive(Debug)]
pub struct Failure {
    thing: String,
    reason: String,
    remedy: String,
    code: u8,
}

impl Failure {
    /// `thing` cannot be used, for `reason`; `remedy` says what to do about it.
    pub fn new(
        thing: impl fmt::Display,
        reason: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self {
            thing: thing.to_string(),
            reason: reason.to_string(),
            remedy: remedy.to_string(),
            code: 2,
        }
    }

    /// The same failure with another exit code.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.thing, self.reason, self.remedy)
    }
}
