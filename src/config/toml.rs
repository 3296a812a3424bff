//! TOML, as far as settings need it: the top-level keys, each with a string, an integer or a boolean.
//!
//! The whole text must be well-formed. Only the names of tables and lists are kept, because no setting is one.

use std::ffi::OsString;

use toml_parser::decoder::ScalarKind;
use toml_parser::parser::{Event, EventKind, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError, Source, Span};

use super::Bare;

/// The greatest depth of nested lists and tables: the parser uses a stack frame for each level.
const DEEPEST: u32 = 32;

/// A key and its value.
pub struct Entry {
    pub key: String,
    pub value: Written,
}

/// A value as it is written in the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// In quotes.
    Text(String),
    /// A number, in decimal digits.
    Number(String),
    /// `true` or `false`.
    Switch(bool),
    /// A date, a list, a table.
    Other,
}

impl Written {
    /// The value as the environment would have it; `None` if the setting takes only quoted values.
    pub fn text(&self, bare: Bare) -> Option<OsString> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Number(digits) if bare != Bare::Nothing => Some(digits.into()),
            Self::Switch(on) if bare == Bare::Switch => Some(on.to_string().into()),
            _ => None,
        }
    }
}

/// The line in which a text is not TOML, and why.
pub struct Mistake {
    pub line: usize,
    pub what: String,
}

/// All entries of a text, or its first mistake: entries after a mistake may not mean what they seem to.
pub fn entries(text: &str) -> Result<Vec<Entry>, Mistake> {
    let source = Source::new(text);
    let mut mistake: Option<ParseError> = None;
    let tokens = source.lex().into_vec();
    let mut events = Vec::with_capacity(tokens.len());
    let mut checked = ValidateWhitespace::new(&mut events, source);
    let mut bounded = RecursionGuard::new(&mut checked, DEEPEST);
    parse_document(&tokens, &mut bounded, &mut mistake);
    let entries = Reader::new(source, &mut mistake).read(&events);
    let Some(mistake) = mistake else {
        return Ok(entries);
    };
    let at = mistake.unexpected().or(mistake.context());
    let before = text.bytes().take(at.map_or(0, |span| span.start()));
    Err(Mistake {
        line: before.filter(|&byte| byte == b'\n').count() + 1,
        what: mistake.description().into(),
    })
}

/// Collects the entries from the parser's events.
struct Reader<'a> {
    source: Source<'a>,
    mistake: &'a mut Option<ParseError>,
    entries: Vec<Entry>,
    place: Place,
    /// The key whose value comes next.
    key: Option<Key>,
    /// How many lists and tables are open within a value.
    depth: usize,
}

struct Key {
    name: String,
    span: Span,
    /// True if the key continues after a dot, and so names a table.
    is_dotted: bool,
}

#[derive(PartialEq, Eq)]
enum Place {
    /// Before the first header.
    Top,
    /// Between the brackets of a header.
    Header,
    /// Below a header.
    Table,
}

impl<'a> Reader<'a> {
    fn new(source: Source<'a>, mistake: &'a mut Option<ParseError>) -> Self {
        Self {
            source,
            mistake,
            entries: Vec::new(),
            place: Place::Top,
            key: None,
            depth: 0,
        }
    }

    fn read(mut self, events: &[Event]) -> Vec<Entry> {
        for event in events {
            match event.kind() {
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                    self.place = Place::Header;
                    self.key = None;
                }
                EventKind::StdTableClose | EventKind::ArrayTableClose => self.end_header(),
                EventKind::SimpleKey => self.begin_key(event),
                EventKind::KeySep => self.key.iter_mut().for_each(|key| key.is_dotted = true),
                EventKind::Scalar => {
                    let value = self.scalar(event);
                    self.end_key(value);
                }
                EventKind::ArrayOpen | EventKind::InlineTableOpen => {
                    self.end_key(Written::Other);
                    self.depth += 1;
                }
                EventKind::ArrayClose | EventKind::InlineTableClose => {
                    // There may be more ends than beginnings: the parser reports that mistake.
                    self.depth = self.depth.saturating_sub(1);
                }
                _ => {}
            }
        }
        self.entries
    }

    fn begin_key(&mut self, event: &Event) {
        let mut name = String::new();
        if let Some(raw) = self.source.get(event) {
            raw.decode_key(&mut name, self.mistake);
        }
        // The later parts of a dotted key and the entries of a table are no top-level keys.
        if self.key.is_none() && self.depth == 0 && self.place != Place::Table {
            self.key = Some(Key {
                name,
                span: event.span(),
                is_dotted: false,
            });
        }
    }

    fn end_key(&mut self, value: Written) {
        let Some(key) = self.key.take() else { return };
        if key.is_dotted {
            self.note_table(key.name);
        } else if self.has(&key.name) {
            self.mistake
                .report_error(ParseError::new("duplicate key").with_unexpected(key.span));
        } else {
            let key = key.name;
            self.entries.push(Entry { key, value });
        }
    }

    fn end_header(&mut self) {
        self.place = Place::Table;
        if let Some(key) = self.key.take() {
            self.note_table(key.name);
        }
    }

    /// Notes the name of a table, once: a table may be defined in several places.
    fn note_table(&mut self, key: String) {
        if !self.has(&key) {
            let value = Written::Other;
            self.entries.push(Entry { key, value });
        }
    }

    fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    fn scalar(&mut self, event: &Event) -> Written {
        let Some(raw) = self.source.get(event) else {
            return Written::Other;
        };
        let mut text = String::new();
        match raw.decode_scalar(&mut text, self.mistake) {
            ScalarKind::String => Written::Text(text),
            ScalarKind::Boolean(on) => Written::Switch(on),
            ScalarKind::Integer(radix) => match u64::from_str_radix(&text, radix.value()) {
                Ok(number) => Written::Number(number.to_string()),
                Err(_) => Written::Number(text),
            },
            ScalarKind::DateTime | ScalarKind::Float => Written::Other,
        }
    }
}
