//! A process and its relatives, which share its stats page: what the cache does for their contexts.

use sslcache::page::reading::Process;
use sslcache::page::{Figure, Sums};

use super::Report;
use super::apart;
use super::contexts::{self, Surroundings};
use super::nginx;
use super::verdict::{self, Facts};
use crate::keys;
use crate::processes::Tree;

/// If the contexts that are gone did at most this many handshakes on average, the program makes a context for each
/// connection, or nearly so.
const HANDSHAKES_OF_PASSING: u64 = 3;

fn has_made_tickets(tree: &Tree) -> bool {
    let all = tree.total();
    all.get(Figure::TicketsMadeShared) > 0 || all.get(Figure::TicketsMadeOwn) > 0
}

/// Reports on a process and its relatives.
pub fn examine(tree: &Tree, pid: u32, report: &mut Report) {
    let page = &tree.page;
    report.fine(format!(
        "sslcache {} is active, {}",
        page.version(),
        page.form()
    ));
    report.fine(format!("settings in force: {}", page.settings().join(", ")));
    let others = tree.processes.len().saturating_sub(1);
    if others > 0 {
        let processes = if others == 1 { "process" } else { "processes" };
        report.fine(format!(
            "it shares its cache with {others} more {processes}"
        ));
    }
    if keys::shares(tree) {
        let shown = keys::age_and_turn(&page.ticket_keys(), keys::now());
        match keys::of_fleet(tree) {
            Some(true) => report.fine(format!("its ticket keys are the fleet's: {shown}")),
            Some(false) if !has_made_tickets(tree) => {
                report.fine("it is to have the fleet's ticket keys, and has made no ticket yet");
            }
            Some(false) => report.finding(
                format_args!("it is to have the fleet's ticket keys, and has made no ticket with them: {shown}"),
                "see whether the agent runs and reaches its store (sslcache agent --check), and was there when the server \
                 started; then restart the server",
            ),
            None => {
                report.fine(format!("its ticket keys are shared: {shown}"));
                report.fine(
                    "other hosts have other keys: behind a balancer, a client that meets another host makes a full \
                     handshake; SSLCACHE_TICKET_KEYS=fleet gives all hosts the same",
                );
            }
        }
    }
    describe_other_hosts(&tree.total(), report);
    let is_busy = |process: &&Process| process.contexts.iter().any(|known| known.handshakes() > 0);
    let busy: Vec<_> = tree.processes.iter().filter(is_busy).collect();
    let around = Surroundings::new(tree, busy.len() > 1);
    // A program configures a context after it has made it: the settings are known after the first handshake.
    let known = busy
        .iter()
        .find(|process| process.pid == pid)
        .or(busy.first());
    if let Some(process) = known {
        if process.pid != pid {
            report.fine(format!(
                "its contexts, as process {} uses them:",
                process.pid
            ));
        }
        describe_contexts(process, &around, report);
        apart::describe(tree, process.pid, around.is_grouped, report);
    }
    let all = tree.total();
    let makes_passing_contexts = describe_gone(&all, &around, report);
    let has_keys_of_program = nginx::describe(pid, report);
    if known.is_none() && all.get(Figure::ContextsGone) == 0 {
        describe_nothing(&tree.gone(), report);
    }
    report.conclude(verdict::on(&Facts {
        all: &all,
        busy: &busy,
        around: &around,
        makes_passing_contexts,
        has_keys_of_program,
    }));
}

/// Reports on the sessions that the process has of other hosts, and they of it, if it was asked to share any.
fn describe_other_hosts(all: &Sums, report: &mut Report) {
    let [told, untold, answered, unanswered, found] = [
        Figure::FleetTold,
        Figure::FleetUntold,
        Figure::FleetAnswered,
        Figure::FleetUnanswered,
        Figure::HitsFleet,
    ]
    .map(|figure| all.get(figure));
    let of_its_own = told.saturating_add(untold);
    let asked = answered.saturating_add(unanswered);
    if (of_its_own, asked) == (0, 0) {
        return;
    }
    let what = format!(
        "it has told other hosts of {told} sessions, and asked for {asked} of theirs: {found} were found"
    );
    // Some are late on a busy machine.
    if untold <= told && unanswered <= answered {
        report.fine(what);
        return;
    }
    report.finding(
        format_args!("{what}; {unanswered} questions had no answer in time, and {untold} sessions could not be told"),
        "see what the agent says of its store (sslcache agent status); one that is far away needs agent_wait here and \
         look_up_ms in the agent's settings to be longer",
    );
}

fn describe_contexts(process: &Process, around: &Surroundings, report: &mut Report) {
    for (number, context) in process.contexts.iter().enumerate() {
        if context.handshakes() > 0 {
            contexts::describe(number + 1, context, around, report);
        }
    }
    let more = process
        .sums
        .contexts
        .saturating_sub(process.contexts.len() as u64);
    if more > 0 {
        report.fine(format!("and {more} more contexts"));
    }
}

/// Reports on contexts that are gone: a program that makes one for each connection has no others. Returns whether it does.
fn describe_gone(all: &Sums, around: &Surroundings, report: &mut Report) -> bool {
    let [gone, handshakes, resumed, unidentified] = [
        Figure::ContextsGone,
        Figure::HandshakesGone,
        Figure::ResumedGone,
        Figure::UnidentifiedGone,
    ]
    .map(|figure| all.get(figure));
    if gone == 0 {
        return false;
    }
    report.fine(format!(
        "{gone} contexts are gone: {handshakes} handshakes, {resumed} resumed; {} are there",
        all.contexts
    ));
    if unidentified > 0 {
        contexts::report_unidentified(
            format_args!("{unidentified} of those that are gone"),
            report,
        );
    }
    let are_passing = gone > 1 && handshakes < gone.saturating_mul(HANDSHAKES_OF_PASSING);
    if are_passing && resumed < handshakes / 2 && !around.is_grouped {
        report.finding(
            "it makes a context for each connection, and sessions go with their context",
            "set SSLCACHE_GROUP to certificate, or to a name of your own where it asks for client certificates, so that \
             contexts which are alike share",
        );
    }
    are_passing
}

fn describe_nothing(departed: &Sums, report: &mut Report) {
    let handshakes = departed.get(Figure::Handshakes);
    if handshakes == 0 {
        return report.unknown(
            "no handshake was done yet, so what its contexts are set to is not known",
            "connect to it twice, and look again",
        );
    }
    report.unknown(
        format_args!(
            "{handshakes} handshakes were done, {} of them resumed, by processes that are gone, so what its contexts are \
             set to is not known",
            departed.get(Figure::Resumed)
        ),
        "look while a connection is open",
    );
}
