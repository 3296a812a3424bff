//! RADIUS servers that authenticate devices by EAP over TLS. The device is eapol_test of wpa_supplicant, which authenticates
//! once and then three more times.

use crate::fixture::Fixture;
use crate::form::{Form, Protocol};
use crate::server::{Place, Server};
use crate::workers::wait_until;
use crate::{Case, Outcome};
use std::error::Error;
use std::net::UdpSocket;
use std::process::Command;
use std::{fs, io};

/// Of four authentications the first is a full handshake, and the second is resumed. Over TLS 1.3 FreeRADIUS does not store
/// the session of a resumed handshake.
const RESUMED: &str = "resumed=0 1";

pub fn cases() -> Vec<Case> {
    let persisted = "persist_dir = sessions";
    // After TLS 1.3 hostapd frees memory twice when it ends, also without sslcache.
    let hostapds_end = |protocol| match protocol {
        Protocol::Tls12 => libc::SIGTERM,
        Protocol::Tls13 => libc::SIGKILL,
    };
    vec![
        freeradius("EAP-TLS, sessions on disk", RESUMED, "TLS", persisted),
        freeradius("PEAP, sessions on disk", RESUMED, "PEAP", persisted),
        // FreeRADIUS resumes no session without the attributes that it stores on disk.
        freeradius("EAP-TLS, sessions in memory", "resumed=0 0 0 0", "TLS", ""),
        Case::new(
            "hostapd, EAP-TLS",
            RESUMED,
            move |fixture, form, protocol| {
                let place = Place::new(fixture)?;
                let port = free_port()?;
                let server = start_hostapd(&place, form, protocol, &port)?;
                let ends_by = hostapds_end(protocol);
                authenticate(&place, server, form, protocol, [&port, "TLS"], ends_by)
            },
        )
        .needing("hostapd"),
        Case::new("eapol_test", RESUMED, move |fixture, form, protocol| {
            let place = Place::unprobed(fixture)?;
            let port = free_port()?;
            let mut server = start_hostapd(&place, Form::Plain, protocol, &port)?;
            wait_until("hostapd listens", || listens(&port))?;
            let mut device = device(&place, protocol, &port, "TLS")?;
            fixture.probe(&mut device, form, &place.file("probe"));
            let said = server.visit(device)?;
            server.dismiss(hostapds_end(protocol))?;
            Ok(Outcome {
                resumed: resumptions(&said),
                told: place.told(form)?,
            })
        })
        .needing("hostapd"),
    ]
}

fn freeradius(
    name: &str,
    expected: &'static str,
    method: &'static str,
    cache: &'static str,
) -> Case {
    let run = move |fixture: &Fixture, form, protocol| {
        let place = Place::new(fixture)?;
        let port = free_port()?;
        let server = start_freeradius(&place, form, protocol, &port, method, cache)?;
        authenticate(
            &place,
            server,
            form,
            protocol,
            [&port, method],
            libc::SIGTERM,
        )
    };
    Case::new(format!("FreeRADIUS, {name}"), expected, run).needing("freeradius")
}

/// Runs the device, and ends the server.
fn authenticate(
    place: &Place,
    mut server: Server,
    form: Form,
    protocol: Protocol,
    [port, method]: [&str; 2],
    ends_by: i32,
) -> Result<Outcome, Box<dyn Error>> {
    wait_until("a RADIUS server listens", || listens(port))?;
    let said = server.visit(device(place, protocol, port, method)?)?;
    server.check_form(form, place.fixture.stage.as_deref())?;
    server.dismiss(ends_by)?;
    Ok(Outcome {
        resumed: resumptions(&said),
        told: place.told(form)?,
    })
}

/// For each successful authentication, whether its last handshake was resumed: "resumed=0 1 1 1".
fn resumptions(said: &str) -> String {
    let mut all = Vec::new();
    let mut last = "-";
    for line in said.lines() {
        if let Some((_, resumed)) = line.split_once("Handshake finished - resumed=") {
            last = resumed;
        } else if line.contains("CTRL-EVENT-EAP-SUCCESS") {
            all.push(last);
        }
    }
    format!("resumed={}", all.join(" "))
}

fn device(
    place: &Place,
    protocol: Protocol,
    port: &str,
    method: &str,
) -> Result<Command, Box<dyn Error>> {
    let fixture = place.fixture;
    let [certificate, key] = [fixture.certificate(), fixture.key()];
    let [certificate, key] = [certificate.display(), key.display()];
    let text = format!(
        "network={{
  ssid=\"here\"
  key_mgmt=WPA-EAP
  eap={method}
  identity=\"joe\"
  password=\"secret\"
  ca_cert=\"{certificate}\"
  client_cert=\"{certificate}\"
  private_key=\"{key}\"
  phase1=\"tls_disable_tlsv1_3={}\"
  phase2=\"auth=MSCHAPV2\"
}}
",
        u8::from(protocol == Protocol::Tls12)
    );
    let configuration = place.write("device.conf", &text)?;
    let mut command = fixture.command("eapol_test", Form::Plain);
    command.args(["-p", port, "-s", "secret", "-t", "10", "-r", "3", "-c"]);
    command.arg(configuration);
    Ok(command)
}

fn start_freeradius(
    place: &Place,
    form: Form,
    protocol: Protocol,
    port: &str,
    method: &str,
    cache: &str,
) -> Result<Server, Box<dyn Error>> {
    fs::create_dir(place.file("sessions"))?;
    let text = format!(
        "name = radiusd
prefix = /usr
libdir = /usr/lib/freeradius
confdir = {folder}
logdir = {folder}
db_dir = {folder}
run_dir = {folder}
security {{
  allow_vulnerable_openssl = yes
}}
thread pool {{
  start_servers = 2
  max_servers = 4
}}
proxy_requests = no
client localhost {{
  ipaddr = 127.0.0.1
  secret = secret
}}
modules {{
  eap {{
    default_eap_type = {}
    tls-config common {{
      private_key_file = {}
      certificate_file = {certificate}
      ca_file = {certificate}
      tls_min_version = \"1.2\"
      tls_max_version = \"{}\"
      ecdh_curve = \"\"
      cache {{
        enable = yes
        lifetime = 1
        name = here
        {cache}
      }}
    }}
    tls {{
      tls = common
    }}
    peap {{
      tls = common
      default_eap_type = mschapv2
      virtual_server = inner
    }}
    mschapv2 {{
    }}
  }}
  mschap {{
  }}
}}
server outer {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    eap
  }}
  authenticate {{
    eap
  }}
}}
server inner {{
  authorize {{
    update control {{
      Cleartext-Password := \"secret\"
    }}
    eap
  }}
  authenticate {{
    mschap
    eap
  }}
}}
",
        method.to_lowercase(),
        place.fixture.key().display(),
        protocol.number(),
        folder = place.folder.path.display(),
        certificate = place.fixture.certificate().display(),
    );
    place.write("radiusd.conf", &text)?;
    let mut command = place.command("freeradius", form);
    command.args(["-f", "-l", "stdout", "-n", "radiusd", "-d"]);
    command.arg(&place.folder.path);
    Server::start(command, place.file("stderr"))
}

fn start_hostapd(
    place: &Place,
    form: Form,
    protocol: Protocol,
    port: &str,
) -> Result<Server, Box<dyn Error>> {
    let users = place.write("users", "\"joe\" TLS\n")?;
    let clients = place.write("clients", "127.0.0.1 secret\n")?;
    let certificate = place.fixture.certificate();
    let text = format!(
        "driver=none
eap_server=1
eap_user_file={}
ca_cert={certificate}
server_cert={certificate}
private_key={}
tls_session_lifetime=3600
tls_flags=[{}ABLE-TLSv1.3]
radius_server_clients={}
radius_server_auth_port={port}
",
        users.display(),
        place.fixture.key().display(),
        if protocol == Protocol::Tls12 {
            "DIS"
        } else {
            "EN"
        },
        clients.display(),
        certificate = certificate.display(),
    );
    let configuration = place.write("hostapd.conf", &text)?;
    let mut command = place.command("hostapd", form);
    place.fixture.keep_local(&mut command);
    command.arg(configuration);
    Server::start(command, place.file("stderr"))
}

fn free_port() -> io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    Ok(socket.local_addr()?.port().to_string())
}

/// Asks the kernel, because the device repeats a request that comes too early only seconds later.
fn listens(port: &str) -> bool {
    let sockets = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let suffix = format!(":{:04X}", port.parse::<u16>().unwrap_or(0));
    sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|address| address.ends_with(&suffix))
}
