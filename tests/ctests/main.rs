//! Each C program of `ctests/` prints the same on the plain host and under sslcache.
//!
//! A test is a program in one form on one host: `preloaded::bsymbolic::add_new`. The others must print the output of the
//! plain run byte for byte, except the lines `divergence NAME: value`, whose two values are in `ctests/divergences`.
//! `cargo test --test ctests -- add_new` selects tests by name.
//!
//! Not every program runs in every form on every host (`Program::is_run`), nor under valgrind in both forms (`valgrind`): the
//! whole must end in half an hour on two cores, and the runs that are left out repeat others.
//!
//! The forms are those that `make` has staged (`stage`); without them only the plain runs take place, and the others
//! are reported as ignored.

mod agent;
mod alike;
mod compare;
mod form;
mod loading;
mod program;
mod run;
mod sanitizer;
#[path = "../stage/mod.rs"]
mod stage;
mod valgrind;
mod workshop;

use compare::Divergences;
use form::{Form, Host};
use libtest_mimic::{Arguments, Trial};
use program::{Kind, Program};
use sanitizer::Sanitizer;
use std::process::ExitCode;
use std::sync::Arc;
use workshop::Workshop;

/// The things that every test needs.
struct Bench {
    workshop: Workshop,
    divergences: Divergences,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let bench = match Bench::new() {
        Ok(bench) => Arc::new(bench),
        Err(error) => {
            eprintln!("ctests: {error}");
            return ExitCode::FAILURE;
        }
    };
    let programs: Vec<_> = Program::all(&bench.workshop)
        .into_iter()
        .map(Arc::new)
        .collect();
    let sanitizers = [Sanitizer::address(), Sanitizer::thread()].map(Arc::new);
    for sanitizer in &sanitizers {
        if let Some(reason) = sanitizer.missing() {
            eprintln!("ctests: {sanitizer} is left out: {reason}");
        }
    }
    if let Some(advice) = stage::advice() {
        eprintln!("ctests: {advice}");
    }
    for release in Host::ALL
        .into_iter()
        .filter(|&host| bench.workshop.lacks(host))
        .filter_map(Host::release)
    {
        eprintln!(
            "ctests: OpenSSL {} is left out: run `make {}`, which builds it where it can",
            release.number, release.name
        );
    }
    let mut trials = compare::trials();
    for program in &programs {
        for host in Host::ALL {
            let is_missing = bench.workshop.lacks(host);
            for form in Form::ALL {
                if program.is_run(form, host) {
                    let trial = trial(&bench, program, form, host);
                    trials.push(if is_missing {
                        trial.with_ignored_flag(true)
                    } else {
                        trial
                    });
                }
            }
        }
        // Both are of this machine's processor and C library.
        if stage::other_target().is_none() {
            trials.extend(valgrind::trial(&bench, program));
            trials.extend(sanitizer::trials(&bench, &sanitizers, program));
        }
    }
    trials.extend(loading::trials(&bench));
    trials.extend(alike::trials(&bench));
    libtest_mimic::run(&arguments, trials).exit_code()
}

impl Bench {
    fn new() -> Result<Self, String> {
        let workshop = Workshop::new()?;
        let divergences = Divergences::read(&workshop.source.join("divergences"))?;
        Ok(Self {
            workshop,
            divergences,
        })
    }

    /// A test that needs the staged tree, or is ignored without it.
    fn staged(
        self: &Arc<Self>,
        name: String,
        test: impl FnOnce(&Self) -> Result<(), String> + Send + 'static,
    ) -> Trial {
        let without_stage = self.workshop.stage.is_none();
        let bench = Arc::clone(self);
        Trial::test(name, move || test(&bench).map_err(Into::into)).with_ignored_flag(without_stage)
    }
}

fn trial(bench: &Arc<Bench>, program: &Arc<Program>, form: Form, host: Host) -> Trial {
    let name = format!("{form}::{host}::{}", program.name);
    let program = Arc::clone(program);
    if form == Form::Plain {
        let bench = Arc::clone(bench);
        return Trial::test(name, move || {
            let plain = program.plain(&bench.workshop, host)?;
            Ok(bench.divergences.on_host(plain, host)?)
        });
    }
    bench.staged(name, move |bench| {
        let output = program.run(&bench.workshop, form, host)?;
        bench.judge(&program, host, &output)
    })
}

impl Bench {
    /// Checks that `output` is what `program` must print under sslcache.
    fn judge(&self, program: &Program, host: Host, output: &str) -> Result<(), String> {
        if program.kind == Kind::Ours {
            return compare::same(&program.expected(&self.workshop)?, output);
        }
        let host = program.reference(host);
        let plain = program.plain(&self.workshop, host)?;
        self.divergences.agree(plain, output, host)
    }
}
