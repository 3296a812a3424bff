//! `sslcache keys`: shows the keys of stateless tickets, never the keys themselves, and ends their turn.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use serde_json::{Value, json};

use sslcache::context::key_source::KeySource;
use sslcache::page::{Figure, Sums, TicketKeys};
use sslcache::shm::{FreshKey, Region};

use crate::failure::Failure;
use crate::processes::{self, Tree};
use crate::{regions, stat};

const LONG: &str = "\
Shows with whose keys servers make their stateless tickets: with keys that all processes share (SSLCACHE_TICKET_KEYS=shared), \
with those of all hosts of a fleet (=fleet), or with keys that each context has for itself, and why; how old the shared keys are, when their next turn begins, how many \
older ones still open tickets, and how many tickets were made and opened with which.

With --rotate, a new key makes the tickets from now on. The older ones, up to fifty, still open those that they made, until \
these expire. \
The keys of a fleet turn at each full hour, on all hosts at once. \
`sslcache flush --ticket-keys` forgets the keys: no ticket that was made before is good any more on this host.

Exit codes: 0 fine, 1 there is something to see to, 2 it cannot be told or done.";

/// The command line.
pub fn command() -> Command {
    Command::new("keys")
        .about("Show the keys of stateless tickets: whose they are, how old, and their next turn")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache keys\n  sslcache keys --rotate --pid $(cat /run/nginx.pid)",
        )
        .arg(
            Arg::new("rotate")
                .long("rotate")
                .action(ArgAction::SetTrue)
                .help("Let new keys make the tickets from now on"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("As JSON"),
        )
        .arg(stat::pid())
        .arg(stat::region())
        .group(ArgGroup::new("what").args(["pid", "region"]))
}

/// The present second of the epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Shows the keys, or ends their turn.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let rotates = arguments.get_flag("rotate");
    if let Some(path) = arguments.get_one::<PathBuf>("region") {
        return of_region(path, rotates, arguments.get_flag("json"));
    }
    let (trees, closed) = match arguments.get_one::<u32>("pid") {
        Some(&pid) => (vec![processes::tree_of(pid)?], Vec::new()),
        None => processes::all(),
    };
    if trees.is_empty() {
        return match closed.first() {
            Some(folder) => Err(Failure::new(
                folder.display(),
                "closed to this user",
                "run this as root, or as the user of the server",
            )),
            None => {
                println!("{}", stat::NONE_SHOWN);
                Ok(ExitCode::from(1))
            }
        };
    }
    if rotates {
        return rotate(&trees);
    }
    let keys: Vec<_> = trees.iter().map(Keys::of).collect();
    if arguments.get_flag("json") {
        let value = json!({
            "schema": "sslcache-keys-1",
            "time": now(),
            "trees": keys.iter().map(Keys::json).collect::<Vec<_>>(),
        });
        println!("{value:#}");
    } else {
        print!(
            "{}",
            keys.iter().map(Keys::text).collect::<Vec<_>>().join("\n")
        );
    }
    Ok(ExitCode::from(u8::from(
        keys.iter().any(|keys| !keys.apart.is_empty()),
    )))
}

/// Shows or turns the keys of a region in a file.
fn of_region(path: &Path, rotates: bool, as_json: bool) -> Result<ExitCode, Failure> {
    let region = regions::open(path)?;
    let shown = stat::shown(path);
    let second = i64::try_from(now()).unwrap_or(i64::MAX);
    if rotates {
        return match turn(&region, second)? {
            true => {
                println!("region {shown}: new keys make the tickets within a second");
                Ok(ExitCode::SUCCESS)
            }
            false => Err(unreached(path)),
        };
    }
    let summary = region.ticket_keys(second).ok_or_else(|| unreached(path))?;
    let known = |time: i64| u64::try_from(time).unwrap_or(0);
    let keys = TicketKeys {
        made: known(summary.made),
        turn_ends: known(summary.turn_ends),
        number: summary.number,
        until: known(summary.until),
    };
    if as_json {
        let value = json!({ "schema": "sslcache-keys-1", "time": now(), "region": shown, "shared": json_of(&keys) });
        println!("{value:#}");
    } else {
        print!("region {shown}\n{}", text_of(&keys, SHARED, None, now()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The failure to have the lock of a region's keys.
pub fn unreached(path: &Path) -> Failure {
    Failure::new(
        format_args!("region {}", stat::shown(path)),
        "its keys are locked by a process that does not go on",
        "try again; sslcache stat --region shows whether its time_outs grow",
    )
}

/// The file in which the processes of a tree keep their keys, if they do. It must be of the user who has the page, which says
/// which file that is.
pub fn region_of(tree: &Tree) -> Option<PathBuf> {
    let path = PathBuf::from(tree.page.setting("region")?);
    let owner = |path: &Path| Some(path.symlink_metadata().ok()?.uid());
    let same = owner(&path)? == fs::metadata(&tree.page.path).ok()?.uid();
    same.then_some(path)
}

/// Ends the turn of a region's keys; `false` if they cannot be reached.
fn turn(region: &Region, second: i64) -> Result<bool, Failure> {
    let fresh = || {
        fresh_key()
            .ok_or_else(|| Failure::new("a new key", "the system has no random bytes", "try again"))
    };
    Ok(region.turn_ticket_keys(second, &[fresh()?, fresh()?], || true))
}

/// A key of random bytes; `None` if the system has none.
fn fresh_key() -> Option<FreshKey> {
    let mut key = FreshKey {
        name: Default::default(),
        secret: Default::default(),
    };
    let fill = |place: &mut [u8]| {
        // SAFETY: `place` is a live slice of this length.
        let filled = unsafe { libc::getrandom(place.as_mut_ptr().cast(), place.len(), 0) };
        filled == place.len() as isize
    };
    (fill(&mut key.name) && fill(&mut key.secret)).then_some(key)
}

/// Asks for new keys, where the keys are shared.
fn rotate(trees: &[Tree]) -> Result<ExitCode, Failure> {
    let mut code = ExitCode::SUCCESS;
    for tree in trees {
        let name = name_of(tree);
        if !shares(tree) {
            println!("{name}: not asked: each context has keys of its own");
            println!(
                "    -> set SSLCACHE_TICKET_KEYS=shared, or restart it, which makes other keys"
            );
            code = ExitCode::from(1);
            continue;
        }
        if of_fleet(tree) == Some(true) {
            println!(
                "{name}: not asked: the fleet's keys turn at each full hour, on all hosts at once"
            );
            println!("    -> to end keys on this host: sslcache flush --ticket-keys");
            code = ExitCode::from(1);
            continue;
        }
        tree.page
            .ask_to_turn_keys()
            .map_err(|error| Failure::new(&name, error, "run this as root, or as its user"))?;
        if let Some(path) = region_of(tree) {
            // Processes of other trees use these keys, too, and this one may end before it makes a ticket.
            let second = i64::try_from(now()).unwrap_or(i64::MAX);
            if !regions::with(&path, |region| turn(region, second))?? {
                return Err(unreached(&path));
            }
        }
        println!("{name}: asked: a new key makes the next ticket");
    }
    Ok(code)
}

/// True if the processes of a tree are to share their ticket keys, with each other or with other hosts.
pub fn shares(tree: &Tree) -> bool {
    let setting = tree.page.setting("ticket_keys");
    setting.is_some_and(|keys| keys == "shared" || keys == FLEET)
}

/// The value of the setting that asks for the fleet's keys.
const FLEET: &str = "fleet";

/// Whether the last tickets of a tree were made with the fleet's keys; `None` if it is not to have any.
pub fn of_fleet(tree: &Tree) -> Option<bool> {
    let is_asked_for = tree.page.setting("ticket_keys").as_deref() == Some(FLEET);
    is_asked_for.then(|| {
        let mut contexts = tree.processes.iter().flat_map(|process| &process.contexts);
        contexts.any(|context| KeySource::of(context.keys) == Some(KeySource::Fleet))
    })
}

/// Whether the sessions of a tree may be at other hosts as well.
pub fn has_sessions_of_fleet(tree: &Tree) -> bool {
    let (keys, group) = (tree.page.setting("ticket_keys"), tree.page.setting("group"));
    keys.as_deref() == Some(FLEET) && group.is_some()
}

/// Whose keys are shown, in words.
fn whose(of_fleet: Option<bool>) -> &'static str {
    match of_fleet {
        None => SHARED,
        Some(true) => "of the fleet",
        Some(false) => "shared on this host, as no key of the fleet makes its tickets now",
    }
}

const SHARED: &str = "shared";

/// True if sslcache makes and opens the tickets of a tree, so that their keys can be ended.
pub fn answers_for_tickets(tree: &Tree) -> bool {
    shares(tree) || tree.page.setting("strict_names").as_deref() == Some("1")
}

/// The processes of a tree, in words.
pub fn name_of(tree: &Tree) -> String {
    match tree.processes.first() {
        Some(first) => {
            let program = processes::program_of(first);
            let more = tree.processes.len() - 1;
            match more {
                0 => format!("process {} ({program})", first.pid),
                _ => format!("process {} ({program}) and {more} more", first.pid),
            }
        }
        None => format!("page {}", stat::shown(&tree.page.path)),
    }
}

/// The ticket keys of a tree.
struct Keys {
    name: String,
    shares: bool,
    of_fleet: Option<bool>,
    shared: TicketKeys,
    awaited: Option<Awaited>,
    sums: Sums,
    /// Contexts that make their tickets with other keys than the shared ones, and the reasons.
    apart: Vec<(u32, usize, &'static str)>,
}

impl Keys {
    fn of(tree: &Tree) -> Self {
        let mut apart = Vec::new();
        for process in &tree.processes {
            for (number, context) in process.contexts.iter().enumerate() {
                let source = KeySource::of(context.keys).and_then(KeySource::reason);
                if let Some(reason) = source.filter(|_| context.accepted > 0) {
                    apart.push((process.pid, number + 1, reason));
                }
            }
        }
        Self {
            name: name_of(tree),
            shares: shares(tree),
            of_fleet: of_fleet(tree),
            shared: tree.page.ticket_keys(),
            awaited: Awaited::of(tree),
            sums: tree.total(),
            apart,
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        if !self.shares {
            text += "  keys      each context has its own, for as long as it lives\n    \
                     -> SSLCACHE_TICKET_KEYS=shared: one set for all, kept over a reload, with another key every hour\n";
            return text;
        }
        text += &text_of(&self.shared, whose(self.of_fleet), self.awaited, now());
        let figure = |figure| self.sums.get(figure);
        let _ = writeln!(
            text,
            "  tickets   made with shared keys {}, with own {}; opened with shared keys {}, with own {}; without a key {}",
            figure(Figure::TicketsMadeShared),
            figure(Figure::TicketsMadeOwn),
            figure(Figure::TicketsOpenedShared),
            figure(Figure::TicketsOpenedOwn),
            figure(Figure::TicketsUnopened),
        );
        for (pid, number, reason) in &self.apart {
            let _ = writeln!(
                text,
                "  own keys  process {pid}, context {number}: {reason}"
            );
        }
        text
    }

    fn json(&self) -> Value {
        let figure = |figure| self.sums.get(figure);
        json!({
            "processes": self.name,
            "ticket_keys": match (self.shares, self.of_fleet) {
                (false, _) => "own",
                (true, None) => "shared",
                (true, Some(_)) => FLEET,
            },
            "of_fleet": self.of_fleet.unwrap_or(false),
            "shared": json_of(&self.shared),
            "tickets_made_shared": figure(Figure::TicketsMadeShared),
            "tickets_made_own": figure(Figure::TicketsMadeOwn),
            "tickets_opened_shared": figure(Figure::TicketsOpenedShared),
            "tickets_opened_own": figure(Figure::TicketsOpenedOwn),
            "tickets_unopened": figure(Figure::TicketsUnopened),
            "own_keys": self
                .apart
                .iter()
                .map(|(pid, number, reason)| json!({ "pid": pid, "context": number, "reason": reason }))
                .collect::<Vec<_>>(),
        })
    }
}

/// A request about the keys that are shown, which is heeded before a ticket is made or opened again. Until then the keys
/// are shown as they were.
#[derive(Clone, Copy)]
enum Awaited {
    Turn,
    Forgetting,
}

impl Awaited {
    fn of(tree: &Tree) -> Option<Self> {
        let [turn, forget] = tree.page.awaited_of_keys();
        match (turn, forget) {
            (_, true) => Some(Self::Forgetting),
            (true, false) => Some(Self::Turn),
            (false, false) => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Turn => "for a new key: it makes the next ticket",
            Self::Forgetting => "to forget these keys: no ticket of theirs is opened any more",
        }
    }
}

/// The shared keys, in lines for people.
fn text_of(keys: &TicketKeys, whose: &str, awaited: Option<Awaited>, now: u64) -> String {
    let mut text = format!("  keys      {whose}; {}\n", age_and_turn(keys, now));
    if keys.number > 0 && !matches!(awaited, Some(Awaited::Forgetting)) {
        let open = match keys.number {
            1 => "this key alone opens tickets".to_owned(),
            number => format!("{number} keys open tickets"),
        };
        let left = duration(keys.until.saturating_sub(now));
        let _ = writeln!(text, "  open      {open}; the last of them ends in {left}");
    }
    if let Some(awaited) = awaited {
        let _ = writeln!(text, "  asked     {}", awaited.words());
    }
    text
}

/// How old the shared keys are, and when their next turn is.
pub fn age_and_turn(keys: &TicketKeys, now: u64) -> String {
    if keys.number == 0 {
        return "none yet: the first ticket brings one".to_owned();
    }
    let turn = match keys.turn_ends.checked_sub(now).filter(|left| *left > 0) {
        Some(left) => format!("its turn ends in {}", duration(left)),
        None => "its turn is over: the next ticket brings another".to_owned(),
    };
    format!(
        "the newest is {} old, and {turn}",
        duration(now.saturating_sub(keys.made))
    )
}

fn json_of(keys: &TicketKeys) -> Value {
    match keys.number {
        0 => Value::Null,
        _ => json!({
            "made": keys.made,
            "turn_ends": keys.turn_ends,
            "keys": keys.number,
            "until": keys.until,
        }),
    }
}

/// A number of seconds in readable units.
fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
