//! What is understood, and what is said of what is not.

use super::*;

const LEAST: &str = "[store]\nurl = \"redis://store\"\n[keys]\nring = \"ring\"\n";

fn parsed(text: &str) -> Result<Config, String> {
    let parsed = Config::parse(text, Path::new("/etc/agent.toml"));
    parsed.map_err(|failure| failure.to_string())
}

#[test]
fn the_least_that_is_needed() {
    let config = parsed(LEAST).unwrap();
    assert_eq!(config.store.urls, ["redis://store"]);
    assert_eq!((config.lifetime, config.metrics), (24 * 3600, None));
    assert_eq!(config.socket, Path::new(AGENT_SOCKET));
    assert_eq!(config.namespace_of(33).as_deref(), Some("uid 33"));
    assert_ne!(config.namespace_of(33), config.namespace_of(34));
    let sessions = config.sessions;
    assert!(sessions.enabled && !sessions.early_data);
    assert_eq!(sessions.look_up, Duration::from_millis(2));
}

#[test]
fn early_data_needs_replicas_where_one_may_become_the_store() {
    for (url, replicas, is_right) in [
        ("redis://a", 0, true),
        ("memcached://a", 0, true),
        ("redis+cluster://a", 0, false),
        ("rediss+cluster://a", 0, false),
        ("redis+sentinel://a/b", 0, false),
        ("redis+sentinel://a/b", 1, true),
    ] {
        let text = format!(
            "[store]\nurl = \"{url}\"\n[keys]\nring = \"r\"\n[sessions]\nearly_data = true\nreplicas = {replicas}\n"
        );
        match parsed(&text) {
            Ok(_) => assert!(is_right, "{url}"),
            Err(said) => assert!(!is_right && said.contains("set `replicas`"), "{said}"),
        }
    }
}

#[test]
fn all_settings() {
    let text = "socket = \"/tmp/s\"\nmetrics = \"127.0.0.1:9464\"\n[store]\nurl = [\"redis+cluster://a\", \
                \"redis+cluster://b:1\"]\nuser = \"u\"\npassword_file = \"p\"\nsentinel_password_file = \"s\"\n\
                ca_file = \"/c\"\nconnect_timeout_ms = 10\ntimeout_ms = 20\n[keys]\nring = \"/r\"\nlifetime_hours = 2\n\
                [sessions]\nenabled = false\nearly_data = true\nreplicas = 2\nlook_up_ms = 5\nqueue_mib = 1\n\
                [[namespace]]\nname = \"web\"\nusers = [33, \"root\"]\n[[namespace]]\nname = \"mail\"\nusers = [8]\n";
    let config = parsed(text).unwrap();
    let of = |uid| config.namespace_of(uid);
    assert_eq!(
        (of(33).as_deref(), of(0).as_deref(), of(8).as_deref()),
        (Some("web"), Some("web"), Some("mail"))
    );
    assert_eq!(of(34), None);
    assert_eq!(config.namespaces(), ["mail", "web"]);
    assert_eq!(config.store.urls.len(), 2);
    assert_eq!(config.store.connect_timeout, Duration::from_millis(10));
    assert_eq!(config.store.timeout, Duration::from_millis(20));
    assert_eq!((config.lifetime, config.ring), (7200, PathBuf::from("/r")));
    let sessions = Sessions {
        enabled: false,
        early_data: true,
        replicas: 2,
        look_up: Duration::from_millis(5),
        queue: 1024 * 1024,
    };
    assert_eq!(config.sessions, sessions);
}

#[test]
fn the_sample_is_understood_with_and_without_its_comments() {
    let sample = include_str!("../../../../../packaging/sslcache-agent.toml");
    parsed(sample).unwrap();
    let whole: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = parsed(&whole).unwrap();
    assert!(config.metrics.is_some() && !config.namespaces().is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_a_remedy() {
    let after = |more: &str| format!("{LEAST}{more}");
    let namespaces = |users: &str, name: &str| {
        after(&format!(
            "[[namespace]]\nname = \"web\"\nusers = [1]\n[[namespace]]\nname = \"{name}\"\nusers = {users}\n"
        ))
    };
    for (text, parts) in [
        (String::new(), &["missing field `store`"][..]),
        (
            after("lifetime_huors = 3\n"),
            &["line 5: there is no setting lifetime_huors: did you mean lifetime_hours?"],
        ),
        (
            after("what = 3\n"),
            &["line 5", "there is no setting what", "ring, lifetime_hours"],
        ),
        (
            after("lifetime_hours = 25\n"),
            &["line 5: 25 is out of bounds: write a number from 1 to 24"],
        ),
        (after("lifetime_hours = 0\n"), &["from 1 to 24"]),
        (
            after("lifetime_hours = \"1\"\n"),
            &["line 5", "invalid type"],
        ),
        (
            LEAST.replace("\"redis", "redis"),
            &["/etc/agent.toml: line 2"],
        ),
        (
            LEAST.replace("[keys]", "timeout_ms = 0\n[keys]"),
            &["line 3: 0 is out of bounds"],
        ),
        (format!("metrics = \"nowhere\"\n{LEAST}"), &["line 1"]),
        (
            namespaces("[1]", "mail"),
            &["line 10", "user 1 is in the namespace web already"],
        ),
        (namespaces("[2]", "web"), &["line 9", "two namespaces web"]),
        (
            namespaces("[2]", "a b"),
            &["line 9", "no name for a namespace"],
        ),
        (namespaces("[2]", ""), &["no name for a namespace"]),
        (namespaces("[]", "mail"), &["line 9", "has no users"]),
        (
            namespaces("[\"no such user\"]", "mail"),
            &["line 10", "there is no user no such user"],
        ),
        (
            namespaces("[-1]", "mail"),
            &["line 10", "a user's name or number"],
        ),
    ] {
        let said = parsed(&text).unwrap_err();
        for part in parts {
            assert!(said.contains(part), "{said}: {part}");
        }
        assert!(!said.contains('\n'), "{said}");
    }
}
