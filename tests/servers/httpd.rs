//! Apache httpd, which loads mod_ssl, and with it libssl, by dlopen.

use crate::form::{Form, Protocol};
use crate::server::{Place, free_port};
use crate::{Case, Outcome};
use std::error::Error;
use std::process::Command;
use std::{fs, io};

const MODULES: &str = "/usr/lib/apache2/modules";

/// Warnings of httpd that are no faults: that it has no cache, and that mod_ssl was built for a newer libssl than the machine
/// has, as in some distributions.
const OWN_WARNINGS: [&str; 2] = ["AH01873", "AH01882"];

pub fn cases() -> Vec<Case> {
    let all = "full=20 resumed=20 held=server";
    let nobody = "full=20 resumed=0";
    vec![
        case("httpd shmcb, event", all, "event", "shmcb:cache(512000)"),
        case(
            "httpd shmcb, prefork",
            all,
            "prefork",
            "shmcb:cache(512000)",
        ),
        case("httpd nonenotnull", nobody, "event", "nonenotnull"),
        case("httpd none", nobody, "event", "none"),
        Case::new(
            "httpd none, built for a newer libssl",
            nobody,
            |fixture, form, protocol| {
                let mut place = Place::new(fixture)?;
                place.set("PROBE_LIBSSL_VERSION", "0x30000000");
                serve(&place, form, protocol, "event", "none")
            },
        ),
    ]
}

fn case(name: &'static str, resumed: &'static str, mpm: &'static str, cache: &'static str) -> Case {
    Case::new(name, resumed, move |fixture, form, protocol| {
        serve(&Place::new(fixture)?, form, protocol, mpm, cache)
    })
}

fn serve(
    place: &Place,
    form: Form,
    protocol: Protocol,
    mpm: &str,
    cache: &str,
) -> Result<Outcome, Box<dyn Error>> {
    let port = free_port()?;
    let command = command(place, form, &configuration(place, port, 2, mpm, cache))?;
    // WINCH makes httpd complete its requests and end.
    let outcome = place.serve(command, form, protocol, &port.to_string(), libc::SIGWINCH);
    let log = fs::read_to_string(place.file("error.log")).unwrap_or_default();
    let mut outcome = outcome.map_err(|error| format!("{error}\n{log}"))?;
    // httpd logs its start and its end at every log level.
    let warnings = log.lines().filter(|line| !line.contains(":notice]"));
    for warning in warnings {
        let own = OWN_WARNINGS.iter().find(|id| warning.contains(**id));
        let id = own.ok_or_else(|| log.clone())?;
        // The log must be the same in every form.
        if !outcome.told.contains(id) {
            outcome.told += id;
        }
    }
    Ok(outcome)
}

pub fn command(place: &Place, form: Form, configuration: &str) -> io::Result<Command> {
    place.write("httpd.conf", configuration)?;
    let mut command = place.command("apache2", form);
    command
        .arg("-DFOREGROUND")
        .arg("-d")
        .arg(&place.folder.path)
        .args(["-f", "httpd.conf"]);
    Ok(command)
}

pub fn configuration(place: &Place, port: u16, processes: u32, mpm: &str, cache: &str) -> String {
    format!(
        "ServerName localhost
         Listen 127.0.0.1:{port}
         PidFile httpd.pid
         DefaultRuntimeDir .
         LoadModule mpm_{mpm}_module {MODULES}/mod_mpm_{mpm}.so
         LoadModule authz_core_module {MODULES}/mod_authz_core.so
         LoadModule socache_shmcb_module {MODULES}/mod_socache_shmcb.so
         LoadModule ssl_module {MODULES}/mod_ssl.so
         <IfModule mpm_{mpm}_module>
             StartServers {processes}
         </IfModule>
         User www-data
         Group www-data
         ErrorLog error.log
         LogLevel warn
         KeepAlive off
         SSLEngine on
         SSLProtocol -all +TLSv1.2 +TLSv1.3
         SSLSessionTickets off
         SSLSessionCache {cache}
         SSLCertificateFile {}
         SSLCertificateKeyFile {}
",
        place.fixture.certificate().display(),
        place.fixture.key().display(),
    )
}
