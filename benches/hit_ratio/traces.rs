//! Who connects when: the workloads, made from fixed seeds.
//!
//! A trace says only which client comes at which second and how its server speaks TLS. Which session a client offers
//! then, and whether it is a new one, depends on what the cache still had: `clients` plays that.

use super::random::{Random, Zipf, scramble};

/// A client that comes once.
pub const STRANGER: u32 = u32::MAX;

/// Visits in a second.
const RATE: usize = 100;
const TWO_HOURS: i64 = 7_200;

pub struct Visit {
    pub secs: i64,
    pub client: u32,
    /// Connections opened at the same moment, before any has brought a new ticket.
    pub connections: usize,
}

/// How sessions are made and used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A session keeps its id however often it is resumed.
    Tls12,
    /// A full handshake makes two sessions and a resumed one makes one, as libssl does. A client uses each once, as
    /// RFC 8446 asks it to; the server's cache keeps a used one, unless it is `single_use`.
    Tls13 { single_use: bool },
}

pub struct Trace {
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    pub protocol: Protocol,
    /// Clients that return for good: what a capacity is a share of.
    pub clients: usize,
    /// All that return at all.
    pub comers: usize,
    pub visits: Vec<Visit>,
    /// How long a session of this client lasts, in seconds.
    pub timeout: fn(client: u32) -> i64,
}

fn two_days(_client: u32) -> i64 {
    172_800
}

fn two_hours(_client: u32) -> i64 {
    TWO_HOURS
}

/// Five minutes, two hours or a day.
fn mixed(client: u32) -> i64 {
    [300, TWO_HOURS, 86_400][(scramble(u64::from(client)) % 3) as usize]
}

/// Every trace, for this many clients and visits of theirs.
pub fn all(clients: usize, visits: usize) -> Vec<Trace> {
    let trace = |name, title, about, protocol, comers: Vec<(u32, usize)>, timeout| Trace {
        name,
        title,
        about,
        protocol,
        clients,
        comers: clients,
        visits: comers
            .into_iter()
            .enumerate()
            .map(|(number, (client, connections))| Visit {
                secs: (number / RATE) as i64,
                client,
                connections,
            })
            .collect(),
        timeout,
    };
    let zipf = || zipf(clients, visits, 0);
    let round = || round(clients, visits);
    let tls12 = Protocol::Tls12;
    let stays = Protocol::Tls13 { single_use: false };
    let taken = Protocol::Tls13 { single_use: true };
    let flood_of_three = {
        let comers = of_three(zipf(), clients);
        let newest = comers.iter().map(|&(client, _)| client).max();
        Trace {
            comers: newest.map_or(0, |newest| newest as usize + 1),
            ..trace(
                "flood-twice",
                "Zipf and a flood that returns twice",
                "As Zipf, and with each visit a client who comes three times within minutes, and never again.",
                tls12,
                comers,
                two_hours,
            )
        }
    };
    let by_the_clock = {
        let comers = hourly_and_daily(clients, visits);
        let mut trace = trace(
            "hour-day",
            "Hourly and daily clients",
            "Half of the clients come once an hour, the others once a day, all a little early or late. TLS 1.2, two days.",
            tls12,
            comers.iter().map(|&(_, client)| (client, 1)).collect(),
            two_days,
        );
        for (visit, (secs, _)) in trace.visits.iter_mut().zip(comers) {
            visit.secs = secs;
        }
        trace
    };
    vec![
        flood_of_three,
        by_the_clock,
        trace(
            "zipf",
            "Zipf",
            "Clients return by Zipf's law (0.9). TLS 1.2, two hours.",
            tls12,
            zipf(),
            two_hours,
        ),
        trace(
            "drift",
            "Zipf, drifting",
            "As Zipf, but who is popular changes: every 25 visits another client takes a popular one's place.",
            tls12,
            self::zipf(clients, visits, 25),
            two_hours,
        ),
        trace(
            "mixed",
            "Zipf, mixed timeouts",
            "As Zipf, with sessions of five minutes, two hours or a day, by client.",
            tls12,
            zipf(),
            mixed,
        ),
        trace(
            "zipf-flood",
            "Zipf and a flood of strangers",
            "As Zipf, and with each visit two strangers who never return.",
            tls12,
            flooded(zipf()),
            two_hours,
        ),
        trace(
            "loop",
            "Loop",
            "All clients return in turn, a little early or late. TLS 1.2, two hours.",
            tls12,
            round(),
            two_hours,
        ),
        trace(
            "loop-flood",
            "Loop and a flood of strangers",
            "As Loop, and with each visit two strangers who never return.",
            tls12,
            flooded(round()),
            two_hours,
        ),
        trace(
            "ftp",
            "Bursts of data connections",
            "A client comes by Zipf's law and then resumes 1 to 40 times within seconds, beside others. TLS 1.2.",
            tls12,
            bursts(clients, visits),
            two_hours,
        ),
        trace(
            "tickets",
            "Two tickets, kept",
            "As Zipf, in TLS 1.3; a ticket stays after use. A quarter of the visits open two connections.",
            stays,
            in_pairs(zipf()),
            two_hours,
        ),
        trace(
            "tickets-once",
            "Two tickets, taken",
            "As with tickets kept, but a ticket leaves the cache when it is used.",
            taken,
            in_pairs(zipf()),
            two_hours,
        ),
        trace(
            "tickets-flood",
            "Two tickets, kept, and a flood",
            "As with tickets kept, and with each visit two strangers, who are given two tickets each.",
            stays,
            flooded(in_pairs(zipf())),
            two_hours,
        ),
    ]
}

/// Clients by Zipf's law. With `change` above 0, as often another client takes the place of a popular one.
fn zipf(clients: usize, visits: usize, change: usize) -> Vec<(u32, usize)> {
    let mut random = Random::new(1);
    let law = Zipf::new(clients, 0.9);
    let mut by_rank: Vec<u32> = (0..clients as u32).collect();
    (1..=visits)
        .map(|number| {
            if change > 0 && number.is_multiple_of(change) {
                by_rank.swap(law.choose(&mut random), random.below(clients));
            }
            (by_rank[law.choose(&mut random)], 1)
        })
        .collect()
}

/// All clients in turn, each up to a twentieth of a round early or late.
fn round(clients: usize, visits: usize) -> Vec<(u32, usize)> {
    let mut random = Random::new(2);
    let mut due: Vec<(f64, u32)> = (0..visits)
        .map(|number| {
            let early_or_late = clients as f64 * 0.05 * (2.0 * random.fraction() - 1.0);
            (number as f64 + early_or_late, (number % clients) as u32)
        })
        .collect();
    due.sort_by(|one, other| one.0.total_cmp(&other.0));
    due.into_iter().map(|(_, client)| (client, 1)).collect()
}

/// Control connections by Zipf's law; each has the next 1 to 40 of its visits among those of 15 others.
fn bursts(clients: usize, visits: usize) -> Vec<(u32, usize)> {
    let mut random = Random::new(3);
    let law = Zipf::new(clients, 0.9);
    let mut open: Vec<(u32, usize)> = vec![(0, 0); 16];
    (0..visits)
        .map(|_| {
            let chosen = random.below(open.len());
            if open[chosen].1 == 0 {
                open[chosen] = (law.choose(&mut random) as u32, 2 + random.below(40));
            }
            open[chosen].1 -= 1;
            (open[chosen].0, 1)
        })
        .collect()
}

/// Half of the clients come once an hour, the others once a day, each up to a tenth of that early or late; with the seconds.
fn hourly_and_daily(clients: usize, visits: usize) -> Vec<(i64, u32)> {
    const HOUR: f64 = 3_600.0;
    let mut random = Random::new(5);
    let half = clients / 2;
    let hours = (visits as f64 / (half as f64 * (1.0 + 1.0 / 24.0))).ceil();
    let mut due = Vec::new();
    for client in 0..2 * half {
        let period = if client < half { HOUR } else { 24.0 * HOUR };
        let mut next = period * random.fraction();
        while next < hours * HOUR {
            let early_or_late = period * 0.1 * (2.0 * random.fraction() - 1.0);
            due.push(((next + early_or_late).max(0.0) as i64, client as u32));
            next += period;
        }
    }
    due.sort_unstable();
    due.truncate(visits);
    due
}

/// With each visit a new client, who comes twice more, up to 2,000 visits of the others apart.
fn of_three(comers: Vec<(u32, usize)>, clients: usize) -> Vec<(u32, usize)> {
    let mut random = Random::new(6);
    let mut later: Vec<Vec<u32>> = vec![Vec::new(); comers.len()];
    let mut all = Vec::new();
    for (number, comer) in comers.into_iter().enumerate() {
        let new = (clients + number) as u32;
        let mut again = number;
        for _ in 0..2 {
            again += 1 + random.below(2_000);
            if let Some(then) = later.get_mut(again) {
                then.push(new);
            }
        }
        all.extend([(new, 1), comer]);
        all.extend(later[number].drain(..).map(|client| (client, 1)));
    }
    all
}

fn in_pairs(mut comers: Vec<(u32, usize)>) -> Vec<(u32, usize)> {
    let mut random = Random::new(4);
    for (_, connections) in &mut comers {
        *connections = if random.below(4) == 0 { 2 } else { 1 };
    }
    comers
}

fn flooded(comers: Vec<(u32, usize)>) -> Vec<(u32, usize)> {
    comers
        .into_iter()
        .flat_map(|comer| [(STRANGER, 1), comer, (STRANGER, 1)])
        .collect()
}
