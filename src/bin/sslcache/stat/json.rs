//! The stats as JSON.

use serde_json::{Map, Value, json};

use sslcache::page::reading::Process;
use sslcache::page::{Context, FIGURES, REGION_FIGURES, Sums};

use super::{Subject, region_figures, shown};
use crate::processes::{Tree, program_of};

/// The whole text.
pub fn write(subject: &Subject) -> String {
    let value = match subject {
        Subject::Trees(trees) => json!({ "trees": trees.iter().map(tree).collect::<Vec<_>>() }),
        Subject::Region(path, region) => {
            let figures: Map<_, _> = region_figures(region)
                .map(|(name, figure)| (name.into(), figure.into()))
                .into_iter()
                .collect();
            json!({ "region": shown(path), "figures": figures })
        }
    };
    format!("{value:#}\n")
}

fn tree(tree: &Tree) -> Value {
    let page = &tree.page;
    let settings: Map<_, _> = page
        .settings()
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let shared: Map<_, _> = REGION_FIGURES
        .iter()
        .zip(page.region())
        .map(|((name, _), figure)| ((*name).to_owned(), (*figure).into()))
        .collect();
    json!({
        "page": shown(&page.path),
        "version": page.version(),
        "form": page.form(),
        "settings": settings,
        "processes": tree.processes.iter().map(process).collect::<Vec<_>>(),
        "processes_unseen": page.unseen(),
        "gone": figures(&page.departed()),
        "shared": shared,
    })
}

fn process(process: &Process) -> Value {
    json!({
        "pid": process.pid,
        "program": program_of(process),
        "published": process.published,
        "contexts": process.sums.contexts,
        "sessions": process.sums.sessions,
        "memory_bytes": process.sums.memory,
        "figures": figures(&process.sums),
        "first_contexts": process.contexts.iter().map(context).collect::<Vec<_>>(),
    })
}

fn figures(sums: &Sums) -> Value {
    FIGURES
        .iter()
        .map(|(figure, name, _)| ((*name).to_owned(), sums.get(*figure).into()))
        .collect::<Map<_, _>>()
        .into()
}

fn context(context: &Context) -> Value {
    json!({
        "mode": context.mode,
        "options": context.options,
        "verify": context.verify,
        "session_id_context_bytes": context.id_context,
        "forced": context.is(Context::FORCED),
        "shared": context.is(Context::SHARED),
        "capacity": context.capacity,
        "sessions": context.sessions,
        "hits": context.hits,
        "misses": context.misses,
        "handshakes": context.handshakes(),
        "connects": context.connected,
        "resumed": context.resumed,
    })
}
