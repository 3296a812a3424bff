//! Real programs keep resuming sessions when sslcache takes their session cache over.
//!
//! Every case is a program in one configuration, run over TLS 1.2 and 1.3 in every form of sslcache.
//! The plain run, without sslcache, sets what the others must show: who was resumed, what the program
//! was told by its counters; in all of them nothing may be said on stderr or in an error log.
//!
//! Beside these, `workers` counts who is resumed by a server of several processes, in which the plain
//! run and ours differ.
//!
//! The forms are those that `make` has staged (`stage`); without them only the plain runs take place.
//! `cargo test --test servers -- nginx` picks cases by name.

mod curl;
mod eap;
mod fixture;
mod form;
mod haproxy;
mod httpd;
mod nginx;
mod openssl;
mod own_client;
mod python;
mod server;
#[path = "../stage/mod.rs"]
mod stage;
mod stunnel;
mod workers;

use fixture::Fixture;
use form::{Form, Protocol};
use libtest_mimic::{Arguments, Failed, Trial};
use std::error::Error;
use std::sync::{Arc, OnceLock};
use workers::Results;

/// What a run came to, as far as it must be the same in every form.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    /// Who was resumed, as the other end saw it.
    resumed: String,
    /// What the program was told by its cache, where that can be learnt.
    told: String,
}

impl Outcome {
    /// For programs that free their contexts, so that the probe is heard: it must have been.
    fn heard(self) -> Result<Self, Box<dyn Error>> {
        if self.told.is_empty() {
            Err("nothing was heard from inside".into())
        } else {
            Ok(self)
        }
    }
}

type Run = dyn Fn(&Fixture, Form, Protocol) -> Result<Outcome, Box<dyn Error>> + Send + Sync;

/// A program in one configuration.
struct Case {
    name: String,
    /// What the plain run must begin with: a test in which nobody resumes proves nothing.
    resumed: &'static str,
    /// The forms it can be had in; a program that is not built here cannot be linked.
    forms: &'static [Form],
    protocols: &'static [Protocol],
    /// A program that not everybody has to have: without it the case is shown as ignored.
    needs: Option<&'static str>,
    run: Box<Run>,
}

impl Case {
    fn new(
        name: impl Into<String>,
        resumed: &'static str,
        run: impl Fn(&Fixture, Form, Protocol) -> Result<Outcome, Box<dyn Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            resumed,
            forms: &Form::WITHOUT_LINKING,
            protocols: &[Protocol::Tls12, Protocol::Tls13],
            needs: None,
            run: Box::new(run),
        }
    }

    fn over(self, protocols: &'static [Protocol]) -> Self {
        Self { protocols, ..self }
    }

    fn needing(self, program: &'static str) -> Self {
        Self {
            needs: Some(program),
            ..self
        }
    }
}

/// The result of the plain run that the three others are held against, run once.
type Plain = OnceLock<Result<Outcome, String>>;

fn judge(
    case: &Case,
    fixture: &Fixture,
    form: Form,
    protocol: Protocol,
    plain: &Plain,
) -> Result<(), Failed> {
    let plain = plain.get_or_init(|| {
        (case.run)(fixture, Form::Plain, protocol).map_err(|error| error.to_string())
    });
    let plain = plain.as_ref().map_err(|error| format!("plain: {error}"))?;
    if !plain.resumed.starts_with(case.resumed) {
        return Err(format!("plain: {:?}, expected {:?}", plain.resumed, case.resumed).into());
    }
    if form == Form::Plain {
        return Ok(());
    }
    let outcome =
        (case.run)(fixture, form, protocol).map_err(|error| format!("{form}: {error}"))?;
    if outcome != *plain {
        return Err(format!("plain: {plain:#?}\n{form}: {outcome:#?}").into());
    }
    Ok(())
}

fn trials(fixture: &Arc<Fixture>, case: Case) -> Vec<Trial> {
    let case = Arc::new(case);
    let mut trials = Vec::new();
    for &protocol in case.protocols {
        let plain = Arc::new(Plain::new());
        for &form in case.forms {
            let (case, fixture, plain) = (case.clone(), fixture.clone(), plain.clone());
            let name = format!("{} / {form} / {protocol}", case.name);
            let missing = form != Form::Plain && fixture.stage.is_none()
                || case
                    .needs
                    .is_some_and(|program| !fixture::is_installed(program));
            let test = move || judge(&case, &fixture, form, protocol, &plain);
            trials.push(Trial::test(name, test).with_ignored_flag(missing));
        }
    }
    trials
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::from_args();
    if let Some(advice) = stage::advice() {
        eprintln!("servers: {advice}");
    }
    let fixture = Arc::new(Fixture::build()?);
    let cases = [
        nginx::cases(),
        httpd::cases(),
        haproxy::cases(),
        stunnel::cases(),
        openssl::cases(),
        python::cases(),
        curl::cases(),
        eap::cases(),
        own_client::cases(),
        workers::access::cases(),
    ];
    let mut trials: Vec<_> = cases
        .into_iter()
        .flatten()
        .flat_map(|case| trials(&fixture, case))
        .collect();
    let results = Arc::new(Results::default());
    trials.extend(workers::trials(&fixture, &results));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.nocapture {
        print!("{}", results.table());
    }
    // A part of the tests makes no table to keep.
    if arguments.filter.is_none() && arguments.skip.is_empty() {
        results.keep()?;
    }
    // `exit` runs no destructor: the folder of client, probe and certificate is removed before it.
    drop(fixture);
    conclusion.exit()
}
