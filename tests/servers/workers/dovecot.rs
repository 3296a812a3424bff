//! dovecot: login processes by fork and exec, under another user. Their environment has only the variables that the
//! configuration permits.

use super::running::{Account, Running};
use super::{Expected, Row, Setting, WORKERS, shared_folder};
use crate::fixture::run;
use crate::form::Form;
use crate::server::{Place, free_port};
use std::error::Error;
use std::process::Command;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "dovecot",
            &["dovecot", "--version"],
            "fork and exec, environment cleared",
            Expected::Few,
            |place, form, protocol| {
                start(place, form)?
                    .talking("imap")
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::Few)
        .with(Setting::Region, Expected::All),
    ]
}

fn start(place: &Place, form: Form) -> Result<Running, Box<dyn Error>> {
    let login = Account::of("dovenull")?;
    login.give(&shared_folder(place))?;
    let internal = Account::of("dovecot")?;
    let port = free_port()?.to_string();
    let folder = place.folder.path.display();
    let (of_version, stays) = of_version(place)?;
    let text = format!(
        "{of_version}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_options = no_ticket
default_login_user = {}
default_internal_user = {}
default_internal_group = {}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  {stays}
  process_min_avail = {WORKERS}
  process_limit = {WORKERS}
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
",
        login.user, internal.user, internal.group,
    );
    let configuration = place.write("dovecot.conf", &text)?;
    let mut command = place.command("dovecot", form);
    command.args(["-F", "-c"]).arg(configuration);
    Running::start(place, command, port)
}

/// The variables that login processes keep.
const IMPORTED: [&str; 3] = ["LD_PRELOAD", "LD_LIBRARY_PATH", "SSLCACHE_REGION"];

/// What 2.4 says in other words than the versions before it, and begins with: the variables that are imported, certificate and key, and
/// who may log in. Besides, that a login process serves any number of clients.
fn of_version(place: &Place) -> Result<(String, &'static str), Box<dyn Error>> {
    let version = run(Command::new("dovecot")
        .arg("--version")
        .env_remove("LD_LIBRARY_PATH"))?;
    let certificate = place.fixture.certificate().display().to_string();
    let key = place.fixture.key().display().to_string();
    if version.stdout.starts_with(b"2.3.") {
        let text = format!(
            "import_environment = {}
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}",
            IMPORTED.join(" ")
        );
        return Ok((text, "service_count = 0"));
    }
    let imported = IMPORTED.map(|name| format!("  {name} = %{{env:{name}}}\n"));
    let text = format!(
        "dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
import_environment {{
{}}}
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
passdb static {{
  password = secret
}}
userdb static {{
  fields {{
    uid = nobody
    gid = nogroup
    home = /nonexistent
  }}
}}",
        imported.concat()
    );
    Ok((text, "restart_request_count = unlimited"))
}
