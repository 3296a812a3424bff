//! Real programs keep resuming sessions when sslcache takes their session cache over.
//!
//! Every case is a program in one configuration, which runs over TLS 1.2 and 1.3 in every form of sslcache. The other forms
//! must have the result of the plain run, without sslcache: which clients were resumed, and the values of the program's
//! counters. No run may print anything on stderr or in an error log.
//!
//! In addition, `workers` counts the clients that are resumed by a server of several processes, where the plain run and the
//! others differ.
//!
//! The forms are those that `make` has staged (`stage`); without them only the plain runs take place.
//! `cargo test --test servers -- nginx` selects cases by name.

mod curl;
mod eap;
mod fixture;
mod fleet;
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

/// The result of a run, as far as it must be the same in every form.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    /// The resumed clients, as seen by the peer.
    resumed: String,
    /// The program's counters, if they can be learned.
    told: String,
}

impl Outcome {
    /// Requires a report of the probe, for programs that free their contexts.
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
    /// The beginning of the plain run's result: a test without a resumption proves nothing.
    resumed: &'static str,
    /// The forms in which the program can run; a program that is not built here cannot be linked.
    forms: &'static [Form],
    protocols: &'static [Protocol],
    /// A program that need not be installed: without it the case is reported as ignored.
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

/// The result of the plain run, which runs once and which the other forms are compared with.
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
    trials.extend(fleet::trials(&fixture));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.nocapture {
        print!("{}", results.table());
    }
    // Another selection of the tests makes no complete table.
    let is_complete = matches!(arguments.filter.as_deref(), None | Some("workers:"));
    if is_complete && arguments.skip.is_empty() {
        results.keep()?;
    }
    // `exit` runs no destructor, so the folder of client, probe and certificate is removed before.
    drop(fixture);
    conclusion.exit()
}
