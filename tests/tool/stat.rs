//! `sslcache stat`.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::page::{ADDS_ONE, pages};
use crate::prometheus::parsed;
use crate::server::{Server, certify};
use crate::tool::{Folder, Outcome, Said, Tool, compile, has_in_order, is_kept_out, python};
use crate::unit;

pub const CASES: &[Case] = &[
    (
        "stat shows a server's figures, and nothing once it has ended",
        figures,
    ),
    ("stat writes what Prometheus reads", prometheus),
    ("stat --json is as its schema says", schema),
    (
        "stat adds up process trees, and keeps its columns apart",
        trees,
    ),
    ("a service is named by its unit", units),
    ("stat tells a server's handshakes from a client's", both),
    ("stat --watch tells what happens in a second", watch),
    ("stat says that there is nothing to show", nothing),
    ("stat shows a region in a file", region),
    (
        "stat --pid finds a process, and says where there is none",
        of_a_process,
    ),
];

pub const SETTINGS: &str = "ssl_session_tickets off; ssl_session_cache builtin:1000;";

/// The sum of a number over all processes. The JSON has one number per line, so no parser is needed.
fn sum(json: &str, name: &str) -> u64 {
    let key = format!("\"{name}\": ");
    let values = json.lines().filter_map(|line| {
        line.trim()
            .strip_prefix(&key)?
            .trim_end_matches(',')
            .parse::<u64>()
            .ok()
    });
    values.sum()
}

/// The same over the totals of all that the JSON shows.
pub fn total(json: &str, name: &str) -> u64 {
    let (total, _) = json.split_once("\n  \"trees\": ").unwrap_or((json, ""));
    sum(total, name)
}

/// Waits until the stats show twenty clients with two visits each, and returns them. A worker may write the stats of its last
/// handshake only at its next connection.
fn settled(tool: &Tool, server: &Server) -> Result<Said, Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let stat = tool.say(&server.runtime.0, &["stat", "--json"])?;
        assert_eq!((stat.code, &*stat.err), (0, ""));
        let of = |name| total(&stat.out, name);
        let (hits, added) = (
            of("hits_process") + of("hits_region"),
            of("added") - of("hits_region").min(of("added")),
        );
        if (hits, added, sum(&stat.out, "records")) == (20, 20, 20) || Instant::now() > end {
            return Ok(stat);
        }
        server.knock();
        thread::sleep(Duration::from_millis(20));
    }
}

fn figures(tool: &Tool) -> Outcome {
    let mut server = Server::start(tool, &[], SETTINGS)?;
    assert_eq!(server.visit("1.2")?, "full=20 resumed=20 held=server");
    let stat = settled(tool, &server)?;
    assert_eq!(
        total(&stat.out, "hits_process") + total(&stat.out, "hits_region"),
        20,
        "{}",
        stat.out
    );
    assert_eq!(total(&stat.out, "misses_absent"), 0);
    // A session that came from another process is added to this one's cache, too.
    assert_eq!(
        total(&stat.out, "added"),
        20 + total(&stat.out, "hits_region"),
        "{}",
        stat.out
    );
    assert_eq!(total(&stat.out, "age_60"), 20);
    assert_eq!(sum(&stat.out, "records"), 20);
    let table = tool.say(
        &server.runtime.0,
        &["stat", "--pid", &server.pid()?.to_string()],
    )?;
    has_in_order(
        &table.out,
        &[
            "sslcache 0",
            "preloaded, in front of /",
            "PID",
            "HITS",
            "nginx",
            "(gone)",
            "(total)            40      20   50       ",
            "records 20",
        ],
    )?;
    server.stop()?;
    assert_eq!(pages(&server.runtime), Vec::<PathBuf>::new());
    let code = if is_kept_out() { 2 } else { 1 };
    assert_eq!(tool.say(&server.runtime.0, &["stat"])?.code, code);
    Ok(())
}

/// Prometheus' own parser for Python accepts the text.
fn prometheus(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &[], SETTINGS)?;
    server.visit("1.2")?;
    settled(tool, &server)?;
    let stat = tool.say(&server.runtime.0, &["stat", "--prometheus"])?;
    assert_eq!(stat.code, 0);
    let samples = parsed(&stat.out)?;
    let label = server.label(tool)?;
    for (sample, value) in [
        ("handshakes_total", 40.0),
        ("resumed_total", 20.0),
        ("hit_age_seconds_count", 20.0),
        ("shared_records", 20.0),
        ("processes", 3.0),
    ] {
        let sample = format!("sslcache_{sample} {label}");
        assert_eq!(samples.get(&sample), Some(&value), "{sample}: {samples:?}");
    }
    let hits = samples
        .iter()
        .filter(|(name, _)| name.starts_with(&format!("sslcache_hits_total {label} ")));
    assert_eq!(hits.map(|(_, hits)| hits).sum::<f64>(), 20.0, "{samples:?}");
    Ok(())
}

fn schema(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let region = folder.file("region");
    let option = format!("--region={}", region.display());
    let server = Server::start(tool, &[&option], SETTINGS)?;
    server.visit("1.2")?;
    let path = region.to_string_lossy();
    for arguments in [
        &["stat", "--json"][..],
        &["stat", "--json", "--region", &path],
    ] {
        let stat = tool.say(&server.runtime.0, arguments)?;
        assert_eq!(stat.code, 0, "{}", stat.err);
        let said = python(
            "import json, jsonschema, sys, time\n\
             schema, text = json.load(open(sys.argv[1])), json.load(sys.stdin)\n\
             jsonschema.Draft7Validator.check_schema(schema)\n\
             jsonschema.validate(text, schema)\n\
             print(text['schema'], abs(text['time'] - time.time()) < 60)\n",
            &[concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/docs/stat.schema.json"
            )],
            &stat.out,
        )?;
        assert_eq!(
            (&*said.out, &*said.err),
            ("sslcache-stat-1 True\n", ""),
            "{}",
            stat.out
        );
    }
    Ok(())
}

fn trees(tool: &Tool) -> Outcome {
    if !tool.alone {
        return Ok(()); // there may be other trees
    }
    let runtime = Folder::new()?;
    let folder = Folder::new()?;
    let program = folder.file("program");
    compile(ADDS_ONE, &program, &["-lssl"])?;
    // The second program runs while the first one waits for it, and the tool while both do.
    let again = format!(
        "{tool} run -- {program} '{tool} stat; {tool} stat --json'",
        tool = tool.stage.join("bin/sslcache").display(),
        program = program.display(),
    );
    let said = tool.say(
        &runtime.0,
        &["run", "--", &program.to_string_lossy(), &again],
    )?;
    let (table, json) = said.out.split_at(said.out.find("{\n").ok_or("no JSON")?);
    assert_eq!(total(json, "added"), 2, "{said:?}");
    assert_eq!(table.matches(": sslcache 0").count(), 2, "{table}");
    has_in_order(
        table,
        &[
            "PID",
            "program",
            "(total)",
            "PID",
            "program",
            "\nall 2\n",
            "PID",
            "(total)",
        ],
    )?;
    for line in table.lines().filter(|line| !line.contains("sslcache")) {
        assert!(line.len() <= 80, "{line}");
    }
    Ok(())
}

/// Both ends of two connections, the second one resumed. The server name chooses another context, in which libssl counts the
/// server's handshakes, while it counts their resumption in the first one.
const BOTH: &str = "
import ssl, subprocess, sys
folder, *stat = sys.argv[1:]
server, named = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
for context in server, named:
    context.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')
    context.maximum_version = ssl.TLSVersion.TLSv1_2
server.sni_callback = lambda connection, name, context: setattr(connection, 'context', named)
client = ssl.create_default_context(cafile=folder + '/cert.pem')
session = None
for _ in range(2):
    to, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(to, back, server_side=True),
            client.wrap_bio(back, to, server_hostname='localhost', session=session)]
    for end in 3 * list(reversed(ends)):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
    session = ends[1].session
    reused = ends[1].session_reused
print(reused)
del ends
sys.stdout.flush()
subprocess.run(stat + ['stat'])
";

fn both(tool: &Tool) -> Outcome {
    let (runtime, folder) = (Folder::new()?, Folder::new()?);
    certify(&folder)?;
    let path = folder.0.to_string_lossy();
    let stat = tool.stage.join("bin/sslcache");
    let stat = stat.to_string_lossy();
    let run = ["run", "--", "/usr/bin/python3", "-c", BOTH, &path, &stat];
    let said = tool.say(&runtime.0, &run)?;
    has_in_order(
        &said.out,
        &[
            "True\n",
            "(total)             2       1   50 ",
            "\n  as a client: handshakes 2, resumed 1, 50 %\n",
        ],
    )
    .map_err(|error| format!("{error}{}", said.err).into())
}

fn units(_: &Tool) -> Outcome {
    for (groups, unit) in [
        ("0::/system.slice/nginx.service\n", Some("nginx.service")),
        (
            "0::/system.slice/system-postfix.slice/postfix@-.service/sub",
            Some("postfix@-.service"),
        ),
        (
            "9:name=systemd:/system.slice/haproxy.service\n4:memory:/x.service\n0::/\n",
            Some("haproxy.service"),
        ),
        (
            "0::/user.slice/user-1.slice/user@1.service/app.slice/web.service",
            Some("user@1.service/web.service"),
        ),
        ("0::/user.slice/user-0.slice/session-3.scope", None),
        ("0::/system.slice/docker-0a.scope", None),
        ("0::/a.service/in.scope", None),
        ("0::/system.slice/a\x1b.service", Some("a.service")),
        ("0::/", None),
        ("", None),
    ] {
        assert_eq!(unit::in_groups(groups).as_deref(), unit, "{groups}");
    }
    Ok(())
}

fn watch(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &[], SETTINGS)?;
    let stat = tool
        .command(&server.runtime.0)
        .args(["stat", "--watch", "1", "--count", "2", "--pid"])
        .arg(server.pid()?.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let end = Instant::now() + Duration::from_millis(1500);
    let mut done = 0.0;
    while Instant::now() < end {
        server.visit("1.2")?;
        done += 40.0;
    }
    let out = String::from_utf8(stat.wait_with_output()?.stdout)?;
    let lines: Vec<_> = out.lines().collect();
    has_in_order(
        &out,
        &["in each second", "SERVICE", "HANDSHAKES", "RESUMED"],
    )?;
    assert!(lines.len() == 4 && lines[1].len() == 80, "{out}");
    let rates = |line: &str| -> Vec<f64> {
        let words = line.split_whitespace().skip(1);
        words.flat_map(str::parse).collect()
    };
    let (first, second) = (rates(lines[2]), rates(lines[3]));
    assert_eq!((first.len(), second.len()), (7, 7), "{out}");
    // Half of all handshakes are resumed, but the intervals do not fall between the two halves.
    assert!(first[0] > first[1] && first[1] > 0.0, "{out}");
    assert!((20.0..80.0).contains(&first[2]), "{out}");
    // The intervals are a second long, or a little longer, and none counts what the other one does.
    assert!(first[0] + second[0] <= done * 1.1, "{done}: {out}");
    let refused = tool.say(&server.runtime.0, &["stat", "--watch", "--json"])?;
    assert_eq!(refused.code, 2, "{refused:?}");
    Ok(())
}

fn nothing(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let stat = tool.say(&folder.0, &["stat", "--region", "/nonexistent/region"])?;
    assert_eq!(stat.code, 2);
    has_in_order(
        &stat.err,
        &[
            "sslcache stat: /nonexistent/region: No such file",
            ": give the path that the setting region names",
        ],
    )?;
    let file = folder.file("other");
    fs::write(&file, "something else")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let stat = tool.say(&folder.0, &["stat", "--region", &file.to_string_lossy()])?;
    assert_eq!(stat.code, 2, "{stat:?}");
    assert_eq!(fs::read(&file)?, b"something else");
    Ok(())
}

fn region(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let region = folder.file("region");
    let option = format!("--region={}", region.display());
    let server = Server::start(tool, &[&option], SETTINGS)?;
    assert_eq!(server.visit("1.2")?, "full=20 resumed=20 held=server");
    let path = region.to_string_lossy();
    let stat = tool.say(&server.runtime.0, &["stat", "--json", "--region", &path])?;
    assert_eq!(stat.code, 0, "{}", stat.err);
    assert_eq!(
        (sum(&stat.out, "puts"), sum(&stat.out, "records")),
        (20, 20),
        "{}",
        stat.out
    );
    let stat = tool.say(
        &server.runtime.0,
        &["stat", "--prometheus", "--region", &path],
    )?;
    has_in_order(
        &stat.out,
        &[
            "# HELP sslcache_shared_records ",
            "# TYPE sslcache_shared_records gauge",
            "} 20",
        ],
    )
}

fn of_a_process(tool: &Tool) -> Outcome {
    let server = Server::start(tool, &[], SETTINGS)?;
    let pid = server.pid()?.to_string();
    // The stats page may be in any folder: the tool finds it in the process's memory map.
    let elsewhere = Folder::new()?;
    let stat = tool.say(&elsewhere.0, &["stat", "--pid", &pid])?;
    assert_eq!(stat.code, 0, "{}", stat.err);
    has_in_order(&stat.out, &[&pid, "nginx"])?;
    let stat = tool.say(
        &elsewhere.0,
        &["stat", "--pid", &std::process::id().to_string()],
    )?;
    assert_eq!(stat.code, 2);
    let said = match is_kept_out() {
        true => "its figures may be in /run/sslcache, which is closed to this user",
        false => "it shows no figures: sslcache doctor --pid",
    };
    has_in_order(&stat.err, &[said])
}
