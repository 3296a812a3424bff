//! The stats as JSON.

use serde_json::{Map, Value, json};

use sslcache::page::reading::Process;
use sslcache::page::{Context, FIGURES, REGION_FIGURES, Sums};

use super::{Subject, region_figures, shown};
use crate::keys::now;
use crate::processes::{Tree, program_of};

/// The form of the text, which docs/stat.schema.json describes; it changes when a field is removed or gets another meaning.
const SCHEMA: &str = "sslcache-stat-1";

/// The whole text.
pub fn write(subject: &Subject) -> String {
    let mut value = match subject {
        Subject::Trees(trees) => of_trees(trees),
        Subject::Region(path, region) => {
            let figures: Map<_, _> = region_figures(region)
                .map(|(name, figure)| (name.into(), figure.into()))
                .into_iter()
                .collect();
            json!({ "region": shown(path), "figures": figures })
        }
    };
    value["schema"] = SCHEMA.into();
    value["time"] = now().into();
    format!("{value:#}\n")
}

fn of_trees(trees: &[Tree]) -> Value {
    let mut all = Sums::default();
    for total in trees.iter().map(Tree::total) {
        all.include(&total);
    }
    let processes = trees.iter().map(|tree| tree.processes.len()).sum();
    json!({
        "total": total(&all, processes),
        "trees": trees.iter().map(tree).collect::<Vec<_>>(),
    })
}

fn total(sums: &Sums, processes: usize) -> Value {
    json!({
        "processes": processes,
        "contexts": sums.contexts,
        "sessions": sums.sessions,
        "memory_bytes": sums.memory,
        "figures": figures(sums),
    })
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
        .map(|((name, _), figure)| ((*name).to_owned(), figure.into()))
        .collect();
    json!({
        "service": tree.service(),
        "page": shown(&page.path),
        "version": page.version(),
        "form": page.form(),
        "settings": settings,
        "processes": tree.processes.iter().map(process).collect::<Vec<_>>(),
        "processes_unseen": page.unseen(),
        "gone": figures(&tree.gone()),
        "total": total(&tree.total(), tree.processes.len()),
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
