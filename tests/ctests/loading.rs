//! The ways in which libssl and sslcache are loaded: late, early, twice, or not at all.

use crate::form::{Form, Host};
use crate::workshop::{Workshop, limit};
use crate::{Bench, compare, run};
use libtest_mimic::Trial;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// One form on one host, with a folder for the files that are built for it.
struct Place<'a> {
    workshop: &'a Workshop,
    form: Form,
    host: Host,
    folder: String,
}

type Scenario = fn(&Place) -> Result<String, String>;

const SCENARIOS: [(&str, Scenario); 4] = [
    ("local_module", local_module),
    ("constructor", constructor),
    ("two_copies", two_copies),
    ("two_copies_reversed", two_copies_reversed),
];

pub fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, scenario) in SCENARIOS {
        for host in Host::OF_OPENSSL_3 {
            for form in Form::OURS {
                trials.push(
                    bench.staged(format!("{form}::{host}::{name}"), move |bench| {
                        let run = |as_form| {
                            scenario(&Place {
                                workshop: &bench.workshop,
                                form: as_form,
                                host,
                                folder: format!("loading/{name}-{form}-{host}-{as_form}"),
                            })
                        };
                        let plain = run(Form::Plain)?;
                        bench.divergences.on_host(&plain, host)?;
                        bench.divergences.agree(&plain, &run(form)?, host)
                    }),
                );
            }
        }
    }
    for form in Form::OURS {
        let trial = bench.staged(format!("{form}::openssl111::two_releases"), move |bench| {
            let run = |as_form| {
                two_releases(&Place {
                    workshop: &bench.workshop,
                    form: as_form,
                    host: Host::System,
                    folder: format!("loading/two_releases-{form}-{as_form}"),
                })
            };
            compare::same(&run(Form::Plain)?, &run(form)?)
        });
        let is_missing = bench.workshop.lacks(Host::Openssl111);
        trials.push(match is_missing {
            true => trial.with_ignored_flag(true),
            false => trial,
        });
    }
    trials.push(bench.staged("preloaded::without_libssl".into(), |bench| {
        let plain = Place::without_libssl(bench, Form::Plain);
        let preloaded = Place::without_libssl(bench, Form::Preloaded);
        let object = plain.compile("loading/without_libssl.c", "program", &[])?;
        let program = plain.link("without_libssl", &[&object])?;
        compare::same(
            &plain.start(&program, &[])?,
            &preloaded.start(&program, &[])?,
        )
    }));
    trials.push(bench.staged("preloaded::bin_true".into(), |bench| {
        let preloaded = Place::without_libssl(bench, Form::Preloaded);
        compare::same("", &preloaded.start(Path::new("/bin/true"), &[])?)
    }));
    trials
}

/// A program that is not linked with libssl loads a module that is, with RTLD_LOCAL.
fn local_module(place: &Place) -> Result<String, String> {
    let module = place.shared("module", &place.libraries()?)?;
    place.start(&place.loader()?, &[&module])
}

/// A library that uses the cache in its constructor.
fn constructor(place: &Place) -> Result<String, String> {
    let libraries = place.libraries()?;
    let early = place.shared("early", &libraries)?;
    let object = place.compile("loading/constructor.c", "main", &[])?;
    let common = place.compile("common.c", "common", &[])?;
    let mut inputs: Vec<&dyn AsRef<OsStr>> = vec![&object, &common, &early];
    inputs.extend(libraries.iter().map(|library| library as &dyn AsRef<OsStr>));
    place.start(&place.link("constructor", &inputs)?, &[])
}

/// Two modules, each with a libssl of its own: a context stays with the copy that made it.
fn two_copies(place: &Place) -> Result<String, String> {
    let second = place.shared(
        "second",
        &[place.copy_of_libssl()?.into(), "-lcrypto".into()],
    )?;
    let first = place.shared("module", &place.libraries()?)?;
    place.start(&place.loader()?, &[&first, &second])
}

/// The same, but the copy is loaded before the host.
fn two_copies_reversed(place: &Place) -> Result<String, String> {
    let second = place.shared(
        "second",
        &[place.copy_of_libssl()?.into(), "-lcrypto".into()],
    )?;
    let first = place.shared("module", &place.libraries()?)?;
    place.start(&place.loader()?, &[&second, &first])
}

/// Two modules, one with the system's OpenSSL 3 and one with OpenSSL 1.1.1: each has a libcrypto of its own, too.
fn two_releases(place: &Place) -> Result<String, String> {
    let first = place.shared("module", &place.libraries()?)?;
    let older = Host::Openssl111;
    let made = place.workshop.made(older)?;
    let include = made.join("host/include");
    let flags = [
        "-fvisibility=hidden",
        "-w",
        "-isystem",
        &include.to_string_lossy(),
    ];
    let object = place.compile("loading/module.c", "second", &flags)?;
    let common = place.compile("common.c", "second-common", &flags)?;
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(made.join("host/lib"));
    let [ssl, crypto] = place.workshop.libraries(Form::Plain, older)?;
    let mut inputs: Vec<&dyn AsRef<OsStr>> = vec![&"-shared", &rpath, &object, &common];
    let search = place.libraries()?;
    if place.form == Form::Linked {
        inputs.extend([&search[0] as &dyn AsRef<OsStr>, &search[1]]);
    }
    inputs.extend([&ssl as &dyn AsRef<OsStr>, &crypto]);
    let second = place.link("libsecond.so", &inputs)?;
    place.start(&place.loader()?, &[&first, &second])
}

impl<'a> Place<'a> {
    fn without_libssl(bench: &'a Bench, form: Form) -> Self {
        Self {
            workshop: &bench.workshop,
            form,
            host: Host::System,
            folder: "loading/without_libssl".into(),
        }
    }

    fn compile(&self, source: &str, object: &str, flags: &[&str]) -> Result<PathBuf, String> {
        let object = format!("{}/{object}.o", self.folder);
        self.workshop.compile(source, &object, flags)
    }

    fn link(&self, name: &str, inputs: &[&dyn AsRef<OsStr>]) -> Result<PathBuf, String> {
        self.workshop
            .link(&format!("{}/{name}", self.folder), inputs)
    }

    /// The libraries that a program of this form is linked with.
    fn libraries(&self) -> Result<Vec<OsString>, String> {
        let mut libraries = Vec::new();
        if self.form == Form::Linked {
            let mut search = OsString::from("-L");
            search.push(self.workshop.stage()?.join("lib"));
            libraries.extend([search, "-lsslcache".into()]);
        }
        libraries.extend(["-lssl".into(), "-lcrypto".into()]);
        Ok(libraries)
    }

    /// A shared library that hides its copy of `common.c`. `second` is `module` under another name.
    fn shared(&self, name: &str, libraries: &[OsString]) -> Result<PathBuf, String> {
        let hidden = ["-fvisibility=hidden"];
        let source = if name == "second" { "module" } else { name };
        let object = self.compile(&format!("loading/{source}.c"), name, &hidden)?;
        let common = self.compile("common.c", &format!("{name}-common"), &hidden)?;
        let mut inputs: Vec<&dyn AsRef<OsStr>> =
            vec![&"-shared", &"-Wl,-rpath,$ORIGIN", &object, &common];
        inputs.extend(libraries.iter().map(|library| library as &dyn AsRef<OsStr>));
        self.link(&format!("lib{name}.so"), &inputs)
    }

    fn loader(&self) -> Result<PathBuf, String> {
        let object = self.compile("loading/loader.c", "loader", &[])?;
        self.link("loader", &[&object, &"-ldl"])
    }

    /// `libssl-copy.so.3`, linked from the static library under that name, with the host's versions.
    fn copy_of_libssl(&self) -> Result<PathBuf, String> {
        let mut versions = Command::new(self.workshop.root.join("tools/version-map"));
        versions.arg("--all").arg(find_library("libssl.so.3")?);
        let versions = run::silent(&mut versions, limit())?;
        let folder = self.workshop.out.join(&self.folder);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let map = folder.join("copy.map");
        fs::write(&map, versions).map_err(|error| error.to_string())?;
        let mut script =
            OsString::from("-Wl,-Bsymbolic,-soname,libssl-copy.so.3,--version-script,");
        script.push(&map);
        let (ssl, crypto) = (find_library("libssl.a")?, find_library("libcrypto.a")?);
        let inputs: [&dyn AsRef<OsStr>; 8] = [
            &"-shared",
            &script,
            &"-Wl,--whole-archive",
            &ssl,
            &"-Wl,--no-whole-archive",
            &"-lcrypto",
            &crypto,
            &"-ldl",
        ];
        self.link("libssl-copy.so.3", &inputs)
    }

    fn start(&self, program: &Path, arguments: &[&PathBuf]) -> Result<String, String> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.workshop.prepare(&mut command, self.form, self.host)?;
        run::silent(&mut command, limit())
    }
}

fn find_library(name: &str) -> Result<PathBuf, String> {
    let output = Workshop::compiler()
        .arg(format!("-print-file-name={name}"))
        .output();
    let output = output.map_err(|error| error.to_string())?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !path.is_absolute() {
        return Err(format!("the C compiler finds no {name}"));
    }
    Ok(path)
}
