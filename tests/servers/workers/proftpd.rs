//! proftpd: a process for each connection. It refuses a data connection that does not resume the session of its control
//! connection.

use super::results::version;
use super::running::{Account, CONTENTS, FILE, Running};
use super::{Count, Expected, Row};
use crate::form::{Form, Protocol};
use crate::server::{Place, free_port};
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const VERSION: &[&str] = &["proftpd", "--version"];

pub fn rows() -> Vec<Row> {
    vec![
        // Over TLS 1.3 proftpd sends tickets, whatever its settings are.
        Row::new(
            "proftpd",
            VERSION,
            "fork for each connection",
            Expected::Nobody,
            |place, form, protocol| {
                let (running, _) = start(place, form, "")?;
                running.talking("ftp").come_back(place, form, protocol)
            },
        )
        .over(&[Protocol::Tls12])
        .unset(Expected::All),
        Row::new(
            "proftpd, FTPS data connections",
            VERSION,
            "fork for each login",
            Expected::All,
            transfer,
        )
        .over(protocols_of_transfers())
        .unset(Expected::All),
    ]
}

/// Since 1.3.9 proftpd refuses the second data connection over TLS 1.3, with the client's newest ticket, with and without sslcache.
fn protocols_of_transfers() -> &'static [Protocol] {
    match version(VERSION).is_ok_and(|version| version.starts_with("1.3.9")) {
        true => &[Protocol::Tls12],
        false => &[Protocol::Tls12, Protocol::Tls13],
    }
}

fn transfer(place: &Place, form: Form, protocol: Protocol) -> Result<Count, Box<dyn Error>> {
    let (running, port) = start(place, form, "")?;
    running.transfer(place, form, protocol, [&port, "joe", "secret"])
}

/// A server at a port, with more lines of configuration. It has a user joe with the password "secret".
pub(super) fn start(
    place: &Place,
    form: Form,
    more: &str,
) -> Result<(Running, String), Box<dyn Error>> {
    let port = free_port()?.to_string();
    let home = place.file("home");
    fs::create_dir(&home)?;
    let account = Account::of("proftpd")?;
    account.give(&home)?;
    fs::write(home.join(FILE), CONTENTS)?;
    let users = place.write("users", &line_of_joe(&home.display().to_string())?)?;
    // proftpd refuses a file that other users may read.
    fs::set_permissions(users, fs::Permissions::from_mode(0o600))?;
    let Account { user, group } = &account;
    let folder = place.folder.path.display();
    let text = format!(
        "ServerType standalone
ServerName test
DefaultServer on
DefaultAddress 127.0.0.1
UseIPv6 off
UseReverseDNS off
Port {port}
User {user}
Group {group}
ControlsEngine off
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
SystemLog {folder}/proftpd.log
TransferLog none
WtmpLog off
<IfModule mod_delay.c>
  DelayEngine off
</IfModule>
AuthOrder mod_auth_file.c
AuthUserFile {folder}/users
RequireValidShell off
ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
<IfModule !mod_xfer.c>
  LoadModule mod_xfer.c
</IfModule>
<Global>
  TLSEngine on
  TLSProtocol TLSv1.2 TLSv1.3
  TLSSessionTickets off
  TLSECCertificateFile {}
  TLSECCertificateKeyFile {}
  TLSRequired on
  TLSLog {folder}/tls.log
</Global>
TLSVerifyClient off
{more}
",
        place.fixture.certificate().display(),
        place.fixture.key().display(),
    );
    let configuration = place.write("proftpd.conf", &text)?;
    let mut command = place.command("proftpd", form);
    command.args(["-n", "-q", "-c"]).arg(configuration);
    Ok((Running::start(place, command, &*port)?, port))
}

/// A user of this server only, whom the system does not know.
fn line_of_joe(home: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new("openssl")
        .args(["passwd", "-5", "secret"])
        .env_remove("LD_LIBRARY_PATH")
        .output()?;
    let hash = String::from_utf8(output.stdout)?;
    Ok(format!(
        "joe:{}:65534:65534::{home}:/bin/false\n",
        hash.trim_end()
    ))
}
