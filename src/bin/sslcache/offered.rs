//! Words that completions offer for an argument that may also be something else.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};

/// Takes what another parser takes, and offers some words for it. An argument with it hides its possible values, which help
/// would present as all that there are.
#[derive(Clone)]
pub struct Offered<P> {
    parser: P,
    words: Vec<String>,
}

impl<P> Offered<P> {
    pub fn new(parser: P, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            parser,
            words: words.into_iter().map(Into::into).collect(),
        }
    }
}

impl<P: TypedValueParser> TypedValueParser for Offered<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<P::Value, Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}
