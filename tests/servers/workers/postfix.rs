//! postfix: short-lived processes, each for some connections. A process of postfix's own, tlsmgr, stores the sessions of all.

use super::running::{Account, Running};
use super::{Expected, Row, WORKERS};
use crate::fixture::{is_root, run};
use crate::form::Form;
use crate::server::{Place, free_port};
use std::error::Error;
use std::fs;
use std::process::Command;

pub fn rows() -> Vec<Row> {
    // The master process must run as root.
    if !is_root() {
        return Vec::new();
    }
    vec![
        Row::new(
            "postfix smtpd",
            &["postconf", "-d", "mail_version"],
            "fork and exec, own shared cache",
            Expected::All,
            |place, form, protocol| {
                start(place, form)?
                    .talking("smtp")
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
    ]
}

/// The level at which postfix has no defaults of an older version, of which it would warn: its version, but 2 before 3.6.
fn compatibility_level() -> Result<String, Box<dyn Error>> {
    let mut postconf = Command::new("postconf");
    postconf.args(["-d", "-h", "mail_version"]);
    let version = run(postconf.env_remove("LD_LIBRARY_PATH"))?.stdout;
    let version = String::from_utf8(version)?;
    let mut numbers = version.trim_end().split('.');
    let level = [numbers.next(), numbers.next()].map(Option::unwrap_or_default);
    Ok(match level {
        ["3", "4" | "5"] => "2".to_owned(),
        level => level.join("."),
    })
}

fn start(place: &Place, form: Form) -> Result<Running, Box<dyn Error>> {
    let port = free_port()?.to_string();
    let folder = place.folder.path.display();
    // Some versions insist that all below the configuration belongs to root.
    for name in ["etc", "queue", "data"] {
        fs::create_dir(place.file(name))?;
    }
    let text = format!(
        "compatibility_level = {}
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = {folder}
maillog_file = {folder}/mail.log
import_environment = MAIL_CONFIG LD_PRELOAD LD_LIBRARY_PATH
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks_style = host
local_recipient_maps =
smtpd_peername_lookup = no
smtpd_tls_wrappermode = yes
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {}
smtpd_tls_key_file = {}
smtpd_tls_session_cache_database = btree:{folder}/data/smtpd_scache
tls_ssl_options = NO_TICKET
",
        compatibility_level()?,
        place.fixture.certificate().display(),
        place.fixture.key().display(),
    );
    place.write("etc/main.cf", &text)?;
    let text = format!(
        "{port} inet n - n - {WORKERS} smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
"
    );
    place.write("etc/master.cf", &text)?;
    Account::of("postfix")?.give(&place.file("data"))?;
    // Makes the folders of the queue. postfix warns about their parent folder in its log.
    let mut check = Command::new("postfix");
    check.arg("-c").arg(place.file("etc")).arg("check");
    run(check.env_remove("LD_LIBRARY_PATH"))?;
    let mut command = place.command("/usr/lib/postfix/sbin/master", form);
    command.arg("-d").env("MAIL_CONFIG", place.file("etc"));
    Running::start(place, command, port)
}
