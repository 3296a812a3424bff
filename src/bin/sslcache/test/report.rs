//! The results, as text and as JSON.

use serde_json::{Value, json};

use super::findings::{Finding, caches, resumed};
use super::peer::Peer;
use super::row::{By, Return, Row};
use super::session::Kind;
use super::visit::Protocol;
use crate::hexadecimal::hexadecimal;

/// The name of the JSON's form. Another form gets another name.
const SCHEMA: &str = "sslcache-test-1";

/// All that was measured.
pub struct Report<'a> {
    pub peer: &'a Peer,
    pub library: String,
    pub rows: Vec<Row<'a>>,
    /// The protocols that the server does not speak, each with the reason.
    pub not_spoken: Vec<(Protocol, String)>,
    /// Was the same early data accepted, the first and the second time? `None` if it was not tried.
    pub early_data: Option<[bool; 2]>,
}

/// `TLS 1.3 by stateful ticket`.
pub fn label(row: &Row<'_>) -> String {
    format!("{} by {}", row.protocol.name(), by(row))
}

fn by(row: &Row<'_>) -> &'static str {
    match (row.by, row.protocol, row.kinds.as_slice()) {
        (By::Id, _, _) => "id",
        (By::Ticket, Protocol::Tls13, [Kind::StatefulTicket]) => "stateful ticket",
        (By::Ticket, Protocol::Tls13, [Kind::StatelessTicket]) => "stateless ticket",
        (By::Ticket, _, _) => "ticket",
    }
}

/// One character for each return, in their order.
fn pattern(returns: &[Return]) -> String {
    returns
        .iter()
        .map(|it| if it.resumed { 'R' } else { '.' })
        .collect()
}

impl Report<'_> {
    /// True if early data was accepted twice.
    pub fn replays(&self) -> bool {
        self.early_data == Some([true, true])
    }

    /// The lines for a terminal, the verdict last.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (protocol, reason) in &self.not_spoken {
            text += &format!("{:<27}not spoken: {reason}\n", protocol.name());
        }
        for row in &self.rows {
            text += &lines(row);
        }
        if let Some([first, second]) = self.early_data {
            let said = |accepted| if accepted { "accepted" } else { "refused" };
            text += &format!(
                "{:<27}{}, and when repeated {}\n",
                "early data",
                said(first),
                said(second)
            );
        }
        text + &format!("verdict: {}\n", self.verdict())
    }

    /// The same, and more, for programs.
    pub fn json(&self) -> String {
        let peer = self.peer;
        let connections: usize = self.rows.iter().map(Row::connections).sum();
        let not_spoken = self
            .not_spoken
            .iter()
            .map(|(protocol, reason)| json!({ "protocol": protocol.name(), "reason": reason }));
        let early = self
            .early_data
            .map(|[first, second]| json!({ "first_accepted": first, "repeated_accepted": second }));
        let value = json!({
            "schema": SCHEMA,
            "host": peer.host,
            "port": peer.port,
            "address": peer.chosen.get().map(ToString::to_string),
            "server_name": peer.server_name,
            "starttls": peer.starttls.map(|starttls| starttls.name()),
            "library": self.library,
            "connections": connections + self.not_spoken.len(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "not_spoken": not_spoken.collect::<Vec<_>>(),
            "early_data": early,
            "all_resumed": self.all_resumed(),
            "verdict": self.verdict(),
        });
        format!("{value:#}\n")
    }
}

fn lines(row: &Row<'_>) -> String {
    let mut text = format!("{:<27}", label(row));
    if row.finding() == Finding::NothingOffered {
        return text + "nothing is given out to return with\n";
    }
    text += &format!(
        "{:>3} of {} resumed",
        resumed(&row.returns),
        row.returns.len()
    );
    let counted = |keys| format!("{keys} key{}", if keys == 1 { "" } else { "s" });
    if let Some(keys) = row.keys() {
        text += &format!(", {}", counted(keys));
    }
    if let Finding::CachesApart(caches) = row.finding() {
        text += &format!(", about {caches} caches");
    }
    if let Some(seconds) = row.lifetime_secs {
        text += &format!(", lifetime {seconds} s");
    }
    if row.protocol == Protocol::Tls13 {
        text += &match row.max_early_data {
            0 => ", no early data".to_owned(),
            bytes => format!(", early data up to {bytes} bytes"),
        };
    }
    text += "\n";
    if row.returns.iter().any(|it| it.resumed) && row.returns.iter().any(|it| !it.resumed) {
        text += &format!("  {}\n", pattern(&row.returns));
    }
    if let Some(after) = &row.after_wait {
        text += &format!(
            "{:<27}{:>3} of {} resumed",
            "  after the wait",
            resumed(&after.returns),
            after.returns.len()
        );
        if row.keys().is_some() && after.new_keys > 0 {
            text += &format!(", {} more", counted(after.new_keys));
        }
        text += "\n";
    }
    text
}

fn row(row: &Row<'_>) -> Value {
    let figures = |returns: &Vec<Return>| {
        json!({
            "offered": returns.len(),
            "resumed": resumed(returns),
            "pattern": pattern(returns),
        })
    };
    let is_held_by_server = !row.kinds.contains(&Kind::StatelessTicket);
    let names: Vec<_> = match row.keys() {
        Some(_) => row.key_names.iter().map(|name| hexadecimal(name)).collect(),
        None => Vec::new(),
    };
    json!({
        "protocol": row.protocol.name(),
        "by": by(row),
        "returns": figures(&row.returns),
        "after_wait": row.after_wait.as_ref().map(|it| figures(&it.returns)),
        "ticket_keys": row.keys(),
        "ticket_keys_new_after_wait": row.keys().and(row.after_wait.as_ref()).map(|it| it.new_keys),
        "ticket_key_names": names,
        "caches_about": caches(&row.returns).filter(|_| is_held_by_server),
        "lifetime_seconds": row.lifetime_secs,
        "max_early_data": row.max_early_data,
        "connections": row.connections(),
    })
}
