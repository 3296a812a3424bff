//! dovecot: login processes by fork and exec, under another user. Their environment has only the variables that the
//! configuration permits.

use super::running::{Account, Running};
use super::{Expected, Row, Setting, WORKERS, shared_folder};
use crate::form::Form;
use crate::server::{Place, free_port};
use std::error::Error;

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
    let text = format!(
        "base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
import_environment = LD_PRELOAD LD_LIBRARY_PATH SSLCACHE_REGION
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{}
ssl_key = <{}
ssl_options = no_ticket
default_login_user = {}
default_internal_user = {}
default_internal_group = {}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  service_count = 0
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
        place.fixture.certificate().display(),
        place.fixture.key().display(),
        login.user,
        internal.user,
        internal.group,
    );
    let configuration = place.write("dovecot.conf", &text)?;
    let mut command = place.command("dovecot", form);
    command.args(["-F", "-c"]).arg(configuration);
    Running::start(place, command, port)
}
