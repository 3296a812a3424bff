//! `sslcache top`: shows the stats of running processes as they change.

mod rows;
mod screen;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::failure::Failure;
use crate::processes;
use crate::stat;
use rows::{BY_SESSIONS, COLUMNS, Rates, Row};

const LONG: &str = "\
Shows what the caches of running processes do, a line each, and redraws it: how many sessions they hold now, and what \
happens in a second. RES% is the share of handshakes that were resumed, by the cache or by a ticket; HIT% that of look-ups in \
the cache that found a session. A narrow terminal shows the columns that matter most.

Keys: left and right choose the column to sort by, r turns the order round, up and down go through more processes than \
there is room for, q ends.";

/// The command line.
pub fn command() -> Command {
    Command::new("top")
        .about("Show what the caches of running processes do, as it happens")
        .long_about(LONG)
        .arg(
            Arg::new("delay")
                .long("delay")
                .value_name("SECONDS")
                .default_value("1")
                .value_parser(value_parser!(u64).range(1..=3600))
                .help("The time between two looks"),
        )
        .arg(stat::pid())
}

/// The state of the display.
pub struct View {
    pub rows: Vec<Row>,
    /// The column that rows are sorted by, and whether the smallest comes first.
    pub column: usize,
    pub ascending: bool,
    /// The first row shown.
    pub first: usize,
    /// A message in place of rows.
    pub message: String,
}

/// Shows the stats until the user quits.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::new(
            "standard input and output",
            "no terminal",
            "use sslcache stat, which writes once",
        ));
    }
    let delay = Duration::from_secs(arguments.get_one::<u64>("delay").copied().unwrap_or(1));
    let pid = arguments.get_one::<u32>("pid").copied();
    if let Some(pid) = pid {
        processes::tree_of(pid)?;
    }
    let mut terminal = ratatui::try_init()
        .map_err(|error| Failure::new("the terminal", error, "use sslcache stat"))?;
    let shown = show(&mut terminal, delay, pid);
    ratatui::restore();
    shown.map_err(|error| Failure::new("the terminal", error, "use sslcache stat"))?;
    Ok(ExitCode::SUCCESS)
}

fn show(terminal: &mut DefaultTerminal, delay: Duration, pid: Option<u32>) -> io::Result<()> {
    let mut rates = Rates::default();
    let mut view = View {
        rows: Vec::new(),
        column: BY_SESSIONS,
        ascending: false,
        first: 0,
        message: String::new(),
    };
    loop {
        view.look(&mut rates, pid);
        let next = Instant::now() + delay;
        loop {
            view.sort();
            terminal.draw(|frame| screen::draw(frame, &mut view))?;
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() || !event::poll(left)? {
                break;
            }
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
                && view.obey(key)
            {
                return Ok(());
            }
        }
    }
}

impl View {
    fn look(&mut self, rates: &mut Rates, pid: Option<u32>) {
        let (trees, closed) = match pid {
            Some(pid) => (processes::tree_of(pid).into_iter().collect(), Vec::new()),
            None => processes::all(),
        };
        self.message = match closed.first() {
            Some(folder) => format!(
                "{} is closed to this user: run this as root to see what is there",
                folder.display()
            ),
            None => stat::NONE_SHOWN.to_owned(),
        };
        self.rows = rates.rows(&trees, Instant::now());
    }

    fn sort(&mut self) {
        let column = &COLUMNS[self.column];
        self.rows.sort_by(|one, other| {
            let (a, b) = (column.key(one), column.key(other));
            a.total_cmp(&b).then(one.pid.cmp(&other.pid))
        });
        if !self.ascending {
            self.rows.reverse();
        }
    }

    /// Obeys a key. Returns true if the key means to quit.
    fn obey(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Left => self.column = self.column.checked_sub(1).unwrap_or(COLUMNS.len() - 1),
            KeyCode::Right => self.column = (self.column + 1) % COLUMNS.len(),
            KeyCode::Char('r') => self.ascending = !self.ascending,
            KeyCode::Up => self.first = self.first.saturating_sub(1),
            KeyCode::Down => self.first += 1,
            _ => {}
        }
        false
    }
}
