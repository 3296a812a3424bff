//! vsftpd: processes for each login, with the context of the process that forked them. A data connection must resume the
//! session of its control connection.

use super::running::{Account, CONTENTS, FILE, Running, without_tickets};
use super::{Count, Expected, Row};
use crate::form::{Form, Protocol};
use crate::server::{Place, free_port};
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// `make test` unpacks vsftpd, because it cannot be installed together with proftpd.
macro_rules! vsftpd {
    () => {
        concat!(
            env!("CARGO_TARGET_TMPDIR"),
            "/../apart/vsftpd/usr/sbin/vsftpd"
        )
    };
}

pub(super) const PROGRAM: &str = vsftpd!();

/// vsftpd prints its version to its standard input.
const VERSION: &[&str] = &["sh", "-c", concat!("exec ", vsftpd!(), " -v 0>&1")];

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "vsftpd",
            VERSION,
            "fork for each login",
            Expected::Nobody,
            |place, form, protocol| {
                let (running, _) = start(place, form)?;
                running
                    .talking("abrupt-ftp")
                    .come_back(place, form, protocol)
            },
        )
        .of(vsftpd!())
        .unset(Expected::All),
        Row::new(
            "vsftpd, FTPS data connections",
            VERSION,
            "fork for each login",
            Expected::All,
            transfer,
        )
        .of(vsftpd!())
        .unset(Expected::All),
    ]
}

fn transfer(place: &Place, form: Form, protocol: Protocol) -> Result<Count, Box<dyn Error>> {
    let (running, port) = start(place, form)?;
    running.transfer(place, form, protocol, [&port, "anonymous", "nobody@"])
}

/// A server at a port, which offers its file to anonymous users.
pub(super) fn start(place: &Place, form: Form) -> Result<(Running, String), Box<dyn Error>> {
    let port = free_port()?.to_string();
    let [home, empty] = ["home", "empty"].map(|name| place.file(name));
    fs::create_dir(&empty)?;
    fs::create_dir(&home)?;
    fs::write(home.join(FILE), CONTENTS)?;
    // The root folder of anonymous users must not belong to their account.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555))?;
    // vsftpd changes to the home of that account before it changes to this folder, so there must be one.
    let (bin, nobody) = (Account::of("bin")?.user, Account::of("nobody")?.user);
    let text = format!(
        "listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={}
ftp_username={bin}
nopriv_user={nobody}
secure_chroot_dir={}
xferlog_enable=NO
ssl_enable=YES
allow_anon_ssl=YES
ssl_request_cert=NO
ssl_ciphers=HIGH
rsa_cert_file={}
rsa_private_key_file={}
",
        home.display(),
        empty.display(),
        place.fixture.certificate().display(),
        place.fixture.key().display(),
    );
    let configuration = place.write("vsftpd.conf", &text)?;
    let mut command = place.command(vsftpd!(), form);
    without_tickets(place, &mut command)?;
    command.arg(configuration);
    Ok((Running::start(place, command, &*port)?, port))
}
