//! lighttpd: workers by fork, libssl's cache switched off.

use super::results::version;
use super::running::Running;
use super::{Expected, Row, Setting, WORKERS};
use crate::server::free_port;

const VERSION: &[&str] = &["lighttpd", "-v"];

pub fn rows() -> Vec<Row> {
    // With several workers, that of Debian 11 does not end on a signal to its first process.
    if version(VERSION).is_ok_and(|version| version == "1.4.59") {
        return Vec::new();
    }
    vec![
        Row::new(
            "lighttpd",
            VERSION,
            "fork, cache switched off",
            Expected::Nobody,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let text = format!(
                    "server.modules = (\"mod_openssl\")
server.document-root = \"{}\"
server.bind = \"127.0.0.1\"
server.port = {port}
server.max-worker = {WORKERS}
ssl.engine = \"enable\"
ssl.pemfile = \"{}\"
ssl.privkey = \"{}\"
ssl.openssl.ssl-conf-cmd = (\"MinProtocol\" => \"TLSv1.2\", \"Options\" => \"-SessionTicket\")
",
                    place.folder.path.display(),
                    place.fixture.certificate().display(),
                    place.fixture.key().display(),
                );
                let configuration = place.write("lighttpd.conf", &text)?;
                let mut command = place.command("lighttpd", form);
                command.arg("-D").arg("-f").arg(configuration);
                Running::start(place, command, port)?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Force, Expected::Nearly),
    ]
}
