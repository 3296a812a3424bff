//! Programs with an unusual libssl: linked into a module, bound before sslcache, of another kind, too old, or missing. Each
//! program does the same with sslcache as without it, and at most one line on stderr says why its cache is not replaced.
//!
//! These tests use the workshop of `ctests`. The forms are those that `make` has staged; without them no test runs.

// Some items of the workshop are used by `ctests` only.
#[allow(dead_code)]
#[path = "ctests/form.rs"]
mod form;
#[allow(dead_code)]
#[path = "ctests/run.rs"]
mod run;
mod stage;
#[allow(dead_code)]
#[path = "ctests/workshop.rs"]
mod workshop;

use form::{Form, Host};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use workshop::{Workshop, limit};

type Done<T> = Result<T, String>;
type Input<'a> = &'a dyn AsRef<OsStr>;

/// One form on one host, with a folder for the files that are built for it.
struct Place<'a> {
    workshop: &'a Workshop,
    form: Form,
    host: Host,
    folder: String,
}

/// The output of a process.
#[derive(Debug, PartialEq)]
struct Printed {
    out: String,
    errors: String,
}

/// One workshop for all tests, because it makes the second host only once.
fn workshop() -> &'static Workshop {
    static WORKSHOP: OnceLock<Workshop> = OnceLock::new();
    WORKSHOP.get_or_init(|| Workshop::new().unwrap())
}

/// Runs `scenario` plain and in every form on both hosts. The output must be the same, except that with `one_line` the
/// preloaded form prints one line on stderr.
fn same_in_all_forms(name: &str, one_line: bool, scenario: impl Fn(&Place) -> Done<Printed>) {
    let workshop = workshop();
    if workshop.stage.is_none() {
        eprintln!("other_libssls: {}", stage::advice().unwrap_or_default());
        return;
    }
    for host in Host::OF_OPENSSL_3 {
        let run = |form| {
            let folder = format!("other-libssls/{name}-{form}-{host}");
            let place = Place {
                workshop,
                form,
                host,
                folder,
            };
            scenario(&place).unwrap_or_else(|error| panic!("{form} {host}: {error}"))
        };
        let plain = run(Form::Plain);
        assert_eq!(plain.errors, "", "plain {host}");
        for form in Form::OURS {
            let ours = run(form);
            assert_eq!(ours.out, plain.out, "{form} {host}: {}", ours.errors);
            let expected = usize::from(one_line && form == Form::Preloaded);
            assert_eq!(
                ours.errors.lines().count(),
                expected,
                "{form} {host}: {}",
                ours.errors
            );
            assert!(ours.errors.is_empty() || ours.errors.starts_with("sslcache: "));
        }
    }
}

#[test]
fn parts_of_libssl_linked_into_a_module_serve_it() {
    // Of libcrypto only the part that libssl needs, which is too little to be taken over.
    same_in_all_forms("linked-in", true, |place| {
        place.load(&[&place.with_its_own("--no-whole-archive")?])
    });
}

#[test]
fn libssl_linked_into_a_module_serves_it() {
    same_in_all_forms("linked-in-whole", false, |place| {
        place.load(&[&place.with_its_own("--whole-archive")?])
    });
}

#[test]
fn libssl_linked_into_a_module_serves_it_beside_the_host() {
    same_in_all_forms("beside", false, |place| {
        place.load(&[
            &place.with_the_host("own_copy")?,
            &place.with_its_own("--whole-archive")?,
        ])
    });
}

#[test]
fn libssl_linked_into_a_module_serves_it_when_it_came_before_the_host() {
    same_in_all_forms("before", false, |place| {
        place.load(&[
            &place.with_its_own("--whole-archive")?,
            &place.with_the_host("own_copy")?,
        ])
    });
}

#[test]
fn module_bound_before_us_has_the_hosts_cache() {
    same_in_all_forms("deep", false, |place| {
        let object = place.compile("deep_loader", "deep_loader", &[])?;
        let program = place.link("deep_loader", &[&object, &"-ldl"])?;
        place.start(&program, &[&place.with_the_host("module")?])
    });
}

#[test]
fn library_of_another_kind_in_a_module_is_left_alone() {
    same_in_all_forms("another-module", true, |place| {
        let library = place.compile("another_kind", "another_kind", &[])?;
        let user = place.compile("another_kind_user", "user", &[])?;
        let module = place.link("libanother.so", &[&"-shared", &library, &user])?;
        place.load(&[&module])
    });
}

#[test]
fn library_too_old_behind_a_program_is_left_alone() {
    same_in_all_forms("another-program", true, |place| {
        let library = place.compile("another_kind", "another_kind", &[])?;
        let soname = "-Wl,-soname,libssl.so.1.0.0";
        let library = place.link("libssl.so.1.0.0", &[&"-shared", &soname, &library])?;
        let user = place.compile("another_kind_user", "user", &["-DPROGRAM"])?;
        let program = place.link("program", &[&user, &library, &"-Wl,-rpath,$ORIGIN"])?;
        place.start(&program, &[])
    });
}

#[test]
fn libressl_sees_every_call_arrive_unchanged() {
    same_in_all_forms("libressl", true, |place| {
        let library = place.compile("libressl", "libressl", &[])?;
        let soname = "-Wl,-soname,libssl.so.53";
        let library = place.link("libssl.so.53", &[&"-shared", &soname, &library])?;
        let user = place.compile("libressl_user", "user", &["-w"])?;
        let program = place.link("program", &[&user, &library, &"-Wl,-rpath,$ORIGIN"])?;
        place.start(&program, &[])
    });
}

#[test]
fn without_any_libssl_every_function_fails_and_one_line_says_why() {
    let workshop = workshop();
    let Ok(stage) = workshop.stage() else { return };
    let (form, host) = (Form::Linked, Host::System);
    let folder = "other-libssls/none".into();
    let place = Place {
        workshop,
        form,
        host,
        folder,
    };
    let object = place.compile("no_libssl", "no_libssl", &[]).unwrap();
    let search = format!("-L{}", stage.join("lib").display());
    let program = place
        .link("no_libssl", &[&object, &search, &"-lsslcache"])
        .unwrap();
    let printed = place.start(&program, &[]).unwrap();
    for line in printed
        .out
        .lines()
        .filter(|line| !line.starts_with("sslcache_version"))
    {
        assert!(line.ends_with(" = 0"), "{line}");
    }
    assert_eq!(printed.out.lines().count(), 18, "{}", printed.out);
    assert!(
        printed.errors.starts_with("sslcache: no libssl found"),
        "{}",
        printed.errors
    );
    assert_eq!(printed.errors.lines().count(), 1, "{}", printed.errors);
}

impl Place<'_> {
    fn compile(&self, source: &str, object: &str, flags: &[&str]) -> Done<PathBuf> {
        let object = format!("{}/{object}.o", self.folder);
        self.workshop
            .compile(&format!("loading/{source}.c"), &object, flags)
    }

    fn link(&self, name: &str, inputs: &[Input]) -> Done<PathBuf> {
        self.workshop
            .link(&format!("{}/{name}", self.folder), inputs)
    }

    /// A shared library that hides its own symbols and those of its copy of `common.c`, but not what else is linked into it.
    fn module(&self, name: &str, source: &str, libraries: &[Input]) -> Done<PathBuf> {
        let flags = ["-fvisibility=hidden", "-foptimize-sibling-calls"];
        let object = self.compile(source, name, &flags)?;
        let common = format!("{}/{name}-common.o", self.folder);
        let common = self.workshop.compile("common.c", &common, &flags)?;
        let mut inputs: Vec<Input> = vec![&"-shared", &object, &common];
        inputs.extend(libraries);
        self.link(&format!("lib{name}.so"), &inputs)
    }

    /// A module linked with the libssl of this form.
    fn with_the_host(&self, source: &str) -> Done<PathBuf> {
        if self.form != Form::Linked {
            return self.module("host", source, &[&"-lssl", &"-lcrypto"]);
        }
        let mut search = OsString::from("-L");
        search.push(self.workshop.stage()?.join("lib"));
        self.module(
            "host",
            source,
            &[&search, &"-lsslcache", &"-lssl", &"-lcrypto"],
        )
    }

    /// A module with libssl and libcrypto linked into it, whose symbols are visible; `extent` says how much of them.
    fn with_its_own(&self, extent: &str) -> Done<PathBuf> {
        let extent = format!("-Wl,{extent}");
        let libraries: [Input; 5] = [
            &extent,
            &"-l:libssl.a",
            &"-l:libcrypto.a",
            &"-Wl,--no-whole-archive",
            &"-ldl",
        ];
        self.module("own", "own_copy", &libraries)
    }

    /// Starts a program that loads `modules` with RTLD_LOCAL.
    fn load(&self, modules: &[&PathBuf]) -> Done<Printed> {
        let object = self.compile("loader", "loader", &[])?;
        self.start(&self.link("loader", &[&object, &"-ldl"])?, modules)
    }

    fn start(&self, program: &Path, arguments: &[&PathBuf]) -> Done<Printed> {
        let errors = self.workshop.out.join(&self.folder).join("stderr");
        let mut command = Command::new(program);
        command.args(arguments);
        self.workshop.prepare(&mut command, self.form, self.host)?;
        // stderr goes to a file, and the shell itself must not be preloaded.
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "errors=$1; shift; exec env \"$@\" 2>\"$errors\"",
            "sh",
        ]);
        shell
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH")
            .arg(&errors);
        for (name, value) in command.get_envs() {
            let Some(value) = value else {
                shell.env_remove(name);
                continue;
            };
            let mut assignment = name.to_owned();
            assignment.push("=");
            assignment.push(value);
            shell.arg(assignment);
        }
        shell.arg(program).args(arguments);
        let out = run::silent(&mut shell, limit())?;
        let errors = fs::read_to_string(&errors).map_err(|error| error.to_string())?;
        Ok(Printed { out, errors })
    }
}
