//! nginx, with each of its cache settings.

use crate::fixture::{Fixture, is_root};
use crate::form::{Form, Protocol};
use crate::server::{Place, Server};
use crate::{Case, Outcome};
use std::error::Error;
use std::process::Command;
use std::sync::OnceLock;

pub fn cases() -> Vec<Case> {
    let all = "full=20 resumed=20 held=server";
    let nobody = "full=20 resumed=0";
    vec![
        case("nginx builtin", all, 1, "ssl_session_cache builtin:1000;"),
        case("nginx shared", all, 1, "ssl_session_cache shared:one:1m;"),
        case(
            "nginx shared, two workers",
            all,
            2,
            "ssl_session_cache shared:one:1m;",
        ),
        case(
            "nginx builtin and shared",
            all,
            1,
            "ssl_session_cache builtin:1000 shared:one:1m;",
        ),
        case("nginx none", nobody, 1, "ssl_session_cache none;"),
        case("nginx off", nobody, 1, "ssl_session_cache off;"),
        sealed_tickets(),
    ]
}

/// The client holds the session in a ticket, and sslcache must not interfere.
fn sealed_tickets() -> Case {
    Case::new(
        "nginx sealed tickets",
        "full=20 resumed=20 held=client",
        |fixture, form, protocol| {
            let settings = "ssl_session_tickets on; ssl_session_cache builtin:1000;";
            serve(fixture, form, protocol, 1, settings)
        },
    )
}

fn case(name: &'static str, resumed: &'static str, workers: u32, cache: &'static str) -> Case {
    Case::new(name, resumed, move |fixture, form, protocol| {
        serve(
            fixture,
            form,
            protocol,
            workers,
            &format!("ssl_session_tickets off; {cache}"),
        )
    })
}

fn serve(
    fixture: &Fixture,
    form: Form,
    protocol: Protocol,
    workers: u32,
    settings: &str,
) -> Result<Outcome, Box<dyn Error>> {
    let place = Place::new(fixture)?;
    configure(&place, &on_socket(&place), workers, settings, "hello")?;
    let command = command(&place, form);
    // With QUIT nginx frees its contexts before it ends, and the probe writes its report.
    place
        .serve(command, form, protocol, &place.socket(), libc::SIGQUIT)?
        .heard()
}

/// An nginx without sslcache, for tests of clients; the report of the probe is about the clients.
pub fn start_plain(place: &Place, settings: &str, answer: &str) -> Result<Server, Box<dyn Error>> {
    configure(place, &on_socket(place), 1, settings, answer)?;
    let mut command = command(place, Form::Plain);
    command.env_remove("PROBE_FILE");
    Server::start(command, place.file("stderr"))
}

fn on_socket(place: &Place) -> String {
    format!("unix:{}", place.socket())
}

/// Writes a configuration that answers every request with `answer`.
pub fn configure(
    place: &Place,
    listen: &str,
    workers: u32,
    settings: &str,
    answer: &str,
) -> Result<(), Box<dyn Error>> {
    configure_servers(place, listen, workers, &[settings], answer)
}

/// Writes a configuration of several servers at one address, each with its settings.
pub fn configure_servers(
    place: &Place,
    listen: &str,
    workers: u32,
    servers: &[&str],
    answer: &str,
) -> Result<(), Box<dyn Error>> {
    let fixture = place.fixture;
    let user = if is_root() { "user root;" } else { "" };
    let mut text = format!(
        "daemon off; worker_processes {workers}; {user} pid nginx.pid; error_log stderr warn;
         events {{ }}
         http {{
             access_log off; keepalive_timeout 0;
             client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp;
             uwsgi_temp_path temp; scgi_temp_path temp;
             ssl_certificate {}; ssl_certificate_key {};
             ssl_protocols TLSv1.2 TLSv1.3;
        ",
        fixture.certificate().display(),
        fixture.key().display(),
    );
    // Options of an address are given once.
    let mut listen = format!("{listen} ssl");
    for settings in servers {
        text += &format!(
            "server {{
                 listen {listen}; {settings}
                 location / {{ return 200 \"{answer}\\n\"; }}
             }}
            "
        );
        listen = listen.replace(" reuseport", "");
    }
    text.push('}');
    place.write("nginx.conf", &text)?;
    Ok(())
}

pub fn command(place: &Place, form: Form) -> Command {
    let mut command = place.command("nginx", form);
    command
        .arg("-p")
        .arg(&place.folder.path)
        .arg("-c")
        .arg("nginx.conf");
    if can_name_its_log() {
        command.args(["-e", "stderr"]);
    }
    command
}

/// True if nginx can be told where its log is before it reads that in its configuration. Before 1.19.5 it opens the one in /var/log
/// first, which only root may.
fn can_name_its_log() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let help = Command::new("nginx")
            .arg("-h")
            .env_remove("LD_LIBRARY_PATH")
            .output();
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stderr).contains("-e filename"))
    })
}
