//! The last line: what was measured, why it looks as it does, and what would change it.

use super::findings::{Finding, resumed};
use super::report::{Report, label};
use super::row::{By, Return, Row};
use super::session::Kind;
use super::visit::Protocol;

impl Report<'_> {
    /// True if everything that was offered was resumed, and something was.
    pub fn all_resumed(&self) -> bool {
        let mut offered = self.rows.iter().filter(|row| !row.returns.is_empty());
        offered.next().is_some() && self.rows.iter().all(all_resumed)
    }

    /// True if everything that was offered was resumed, and something was. Ids that the server never knows again do not count
    /// where every client that takes tickets was resumed.
    pub fn is_well(&self) -> bool {
        let mut rows = self.rows.iter().filter(|row| self.matters(row));
        rows.clone().any(|row| !row.returns.is_empty()) && rows.all(all_resumed)
    }

    fn matters(&self, row: &Row<'_>) -> bool {
        !(row.by == By::Id && row.finding() == Finding::NoneKnown && self.are_tickets_enough())
    }

    /// True if each protocol's tickets were all resumed.
    fn are_tickets_enough(&self) -> bool {
        let mut rows = self.rows.iter().filter(|row| row.by == By::Ticket);
        rows.clone().next().is_some()
            && rows.all(|row| !row.returns.is_empty() && row.finding() == Finding::AllResumed)
    }

    /// True if this protocol is spoken, and brings nothing that could be offered.
    fn gives_nothing(&self, protocol: Protocol) -> bool {
        let mut rows = self.rows.iter().filter(|row| row.protocol == protocol);
        let is_spoken = !self.not_spoken.iter().any(|(known, _)| *known == protocol);
        is_spoken && rows.all(|row| row.returns.is_empty())
    }

    /// One line.
    pub fn verdict(&self) -> String {
        let measured: Vec<_> = self
            .rows
            .iter()
            .filter(|row| !row.returns.is_empty())
            .map(counts)
            .collect();
        if measured.is_empty() {
            return "nobody can return: the server gives out nothing that could be offered again"
                .to_owned();
        }
        let mut reasons: Vec<String> = Vec::new();
        let are_tickets_enough = self.are_tickets_enough();
        let found = self
            .rows
            .iter()
            .filter_map(|row| reason(row, are_tickets_enough));
        let without = [Protocol::Tls12, Protocol::Tls13]
            .into_iter()
            .filter(|protocol| self.gives_nothing(*protocol))
            .map(|protocol| {
                format!(
                    "over {} nothing is given out to return with",
                    protocol.name()
                )
            });
        let lost = self.rows.iter().filter_map(lost);
        let early = self.replays().then(|| {
            "the same early data was accepted twice: a request in it can be repeated by others"
                .to_owned()
        });
        for reason in apart(&self.rows)
            .into_iter()
            .chain(found)
            .chain(without)
            .chain(lost)
            .chain(early)
        {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        if self.all_resumed() {
            reasons.insert(0, "all that was offered was resumed".to_owned());
        } else if self.is_well() {
            reasons.insert(0, "every client that takes tickets was resumed".to_owned());
        }
        format!("{}: {}", measured.join(", "), reasons.join("; "))
    }
}

/// True if all that was offered of a row was resumed, after the wait, too.
fn all_resumed(row: &Row<'_>) -> bool {
    let after = row.after_wait.iter().flat_map(|it| &it.returns);
    row.returns.iter().chain(after).all(|it| it.resumed)
}

/// `TLS 1.2 by id 50 of 50`, and how many after the wait.
fn counts(row: &Row<'_>) -> String {
    let of = |returns: &[Return]| format!("{} of {}", resumed(returns), returns.len());
    let after = row.after_wait.as_ref();
    let after = after.map_or(String::new(), |it| {
        format!(" (after the wait {})", of(&it.returns))
    });
    format!("{} {}{after}", label(row), of(&row.returns))
}

/// Why some were not resumed.
fn reason(row: &Row<'_>, are_tickets_enough: bool) -> Option<String> {
    Some(match row.finding() {
        // Caches are said of all rows together.
        Finding::AllResumed | Finding::NothingOffered | Finding::CachesApart(_) => return None,
        Finding::TooFew => "too few returns to tell why not all were resumed".to_owned(),
        Finding::NoneKnown if row.by == By::Id && are_tickets_enough => {
            "no id is known again, which clients that take tickets do not notice".to_owned()
        }
        Finding::NoneKnown => {
            "sessions are given out and none is known again: it looks as if they are not kept where others are served"
                .to_owned()
        }
        Finding::Forgotten => {
            "sessions that were known are known no more: it looks as if they are forgotten early"
                .to_owned()
        }
        Finding::KeysApart(keys) => format!(
            "{keys} ticket keys were seen: it looks as if processes have keys of their own; with \
             SSLCACHE_TICKET_KEYS=shared, and SSLCACHE_REGION where they have no common parent, those that use libssl's \
             have the same"
        ),
        Finding::TicketsRefused => {
            "tickets were refused, and why cannot be told from outside".to_owned()
        }
    })
}

/// The caches that are apart: the rows of one server are each an estimate of the same number.
fn apart(rows: &[Row<'_>]) -> Option<String> {
    let estimates = rows.iter().filter_map(|row| match row.finding() {
        Finding::CachesApart(caches) => Some(caches),
        _ => None,
    });
    let (least, most) = (estimates.clone().min()?, estimates.max()?);
    let caches = match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    Some(format!(
        "it looks as if about {caches} processes keep sessions of their own, or forget them early; sslcache can give those \
         that use libssl's cache one"
    ))
}

/// Why some did not survive the wait.
fn lost(row: &Row<'_>) -> Option<String> {
    let after = row.after_wait.as_ref()?;
    if resumed(&after.returns) == after.returns.len() || row.finding() != Finding::AllResumed {
        return None;
    }
    let is_stateless = row.kinds.contains(&Kind::StatelessTicket);
    let has_new_keys = row.keys().is_some() && after.new_keys > 0;
    let reason = match (is_stateless, has_new_keys) {
        (true, true) => {
            "the ticket keys are others since the wait; SSLCACHE_TICKET_KEYS=shared keeps libssl's over \
             a reload"
        }
        (true, false) => {
            "tickets from before the wait were refused, and why cannot be told from outside"
        }
        (false, _) => {
            "sessions from before the wait are known no more: it looks as if their cache is gone; \
             SSLCACHE_GROUP=certificate lets new contexts find what old ones kept"
        }
    };
    Some(reason.to_owned())
}
