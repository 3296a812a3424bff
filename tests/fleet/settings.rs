//! What is decided without a store: addresses, settings that do not fit together, when to try again, what an error means.

use std::time::{Duration, Instant};

use crate::agent::store::{
    Cause, Store, StoreConfig, Trouble, address::Address, backoff::Backoff, memcached,
};
use crate::keyring::Folder;
use crate::{Case, Outcome, ensure};

pub const CASES: &[Case] = &[
    (
        "settings / addresses are read, and shown without secrets",
        &[],
        addresses,
    ),
    (
        "settings / what is no address is refused with a remedy",
        &[],
        no_addresses,
    ),
    (
        "settings / what does not fit together is refused",
        &[],
        misfits,
    ),
    (
        "settings / a failed store is left alone for up to 30 s",
        &[],
        backs_off,
    ),
    (
        "settings / memcached's ends over 30 days are absolute",
        &[],
        ends,
    ),
    (
        "settings / an error that a store tells has its remedy",
        &[],
        remedies,
    ),
];

fn parse(urls: &[&str]) -> Result<Address, String> {
    let urls: Vec<_> = urls.iter().map(|url| url.to_string()).collect();
    Address::parse(&urls).map_err(|failure| failure.to_string())
}

fn addresses() -> Outcome {
    let right: [(&[&str], &str); 11] = [
        (&["redis://a"], "redis://a:6379"),
        (&["redis://a:1/"], "redis://a:1"),
        (&["rediss://127.0.0.1:1/7"], "rediss://127.0.0.1:1/7"),
        (&["redis://[::1]:1"], "redis://[::1]:1"),
        (
            &["unix:///run/redis/redis.sock"],
            "unix:///run/redis/redis.sock",
        ),
        (&["redis+cluster://a"], "redis+cluster://a:6379"),
        (
            &["rediss+cluster://a", "rediss+cluster://b:2"],
            "rediss+cluster://a:6379,b:2",
        ),
        (
            &["redis+sentinel://a/shop"],
            "redis+sentinel://a:26379/shop",
        ),
        (
            &["rediss+sentinel://a/shop/2", "rediss+sentinel://b:1/shop/2"],
            "rediss+sentinel://a:26379,b:1/shop/2",
        ),
        (&["memcached://a"], "memcached://a:11211"),
        (&["memcached://10.0.0.1:1"], "memcached://10.0.0.1:1"),
    ];
    for (urls, shown) in right {
        let address = parse(urls)?;
        ensure!(
            address.to_string() == shown,
            "{urls:?} is shown as {address}"
        );
    }
    Ok(())
}

fn no_addresses() -> Outcome {
    let wrong: [(&[&str], &str); 16] = [
        (&[], "has no address"),
        (&[""], "use redis://HOST:PORT"),
        (&["a:6379"], "use redis://HOST:PORT"),
        (&["http://a"], "use redis://HOST:PORT"),
        (&["redis://"], "names no host"),
        (&["redis://a:99999"], "use redis://HOST:PORT"),
        (&["redis://a/b"], "the number of a database"),
        (&["redis://a/-1"], "the number of a database"),
        (&["redis+cluster://a/1"], "has a path"),
        (&["memcached://a/1"], "has a path"),
        (&["redis+sentinel://a"], "does not name the group"),
        (&["redis://a?timeout=1"], "has parameters"),
        (&["redis://a", "redis://b"], "is a second address"),
        (
            &["redis+cluster://a", "rediss+cluster://b"],
            "of another kind",
        ),
        (
            &["redis+sentinel://a/x", "redis+sentinel://b/y"],
            "of another kind",
        ),
        (&["redis://a\u{1b}[31m"], "redis://a?[31m"),
    ];
    for (urls, reason) in wrong {
        let said = parse(urls)
            .err()
            .ok_or_else(|| format!("{urls:?} is taken"))?;
        ensure!(
            said.contains(reason) && !said.contains('\u{1b}'),
            "{urls:?}: {said:?}"
        );
    }
    for url in [
        "redis://shop:hunter2@a",
        "redis://:hunter2@a:1",
        "redis://:hunter2@a:99999",
        "x://:hunter2@",
    ] {
        let said = parse(&[url])
            .err()
            .ok_or_else(|| format!("{url} is taken"))?;
        ensure!(!said.contains("hunter2"), "{said}");
    }
    let said = parse(&["redis://shop:hunter2@a"]).err().unwrap_or_default();
    ensure!(
        said.contains("redis://...@a: has a user or a password") && said.contains("password_file"),
        "{said}"
    );
    Ok(())
}

fn misfits() -> Outcome {
    let folder = Folder::new()?;
    let password = folder.file("password", b"secret\n")?;
    let empty = folder.file("empty", b"")?;
    type Setting<'a> = Box<dyn Fn(&mut StoreConfig) + 'a>;
    let wrong: [(&str, Setting, &str); 7] = [
        (
            "memcached://a",
            Box::new(|config| config.user = Some("x".into())),
            "user, password_file: memcached",
        ),
        (
            "memcached://a",
            Box::new(|config| config.password_file = Some(password.clone())),
            "user, password_file: memcached",
        ),
        (
            "redis://a",
            Box::new(|config| config.ca_file = Some(password.clone())),
            "password: has no certificate",
        ),
        (
            "rediss://a",
            Box::new(|config| config.ca_file = Some("/none".into())),
            "/none: No such file",
        ),
        (
            "memcached://a",
            Box::new(|config| config.ca_file = Some("/none".into())),
            "ca_file: the address is one without TLS",
        ),
        (
            "redis://a",
            Box::new(|config| config.sentinel_password_file = Some(password.clone())),
            "sentinel_password_file: ",
        ),
        (
            "redis://a",
            Box::new(|config| config.password_file = Some(empty.clone())),
            "empty: has no password",
        ),
    ];
    for (url, set, reason) in wrong {
        let mut config = StoreConfig::at(vec![url.into()]);
        set(&mut config);
        let said = Store::new(&config)
            .err()
            .ok_or_else(|| format!("{url}: {reason}: is taken"))?;
        ensure!(said.to_string().contains(reason), "{said}");
    }
    Ok(())
}

fn backs_off() -> Outcome {
    let start = Instant::now();
    for (dice, part) in [(0, 0.5), (255, 1.0)] {
        let mut backoff = Backoff::default();
        ensure!(backoff.rest(start).is_none(), "it begins with a rest");
        for step in [1, 2, 4, 8, 16, 30, 30, 30] {
            backoff.failed(start, dice);
            let rest = backoff.rest(start).unwrap_or_default();
            let expected = Duration::from_secs(step).mul_f64(part);
            ensure!(rest == expected, "{rest:?}, not {expected:?}");
            ensure!(
                backoff.rest(start + rest).is_none(),
                "it rests for longer than it says"
            );
        }
        backoff.answered();
        ensure!(backoff.rest(start).is_none(), "it rests after an answer");
        backoff.failed(start, dice);
        ensure!(
            backoff.rest(start) == Some(Duration::from_secs(1).mul_f64(part)),
            "it does not begin anew"
        );
    }
    Ok(())
}

fn ends() -> Outcome {
    const DAY: u64 = 24 * 60 * 60;
    let now = Duration::from_secs(1_789_000_000);
    let ends = [
        (Duration::ZERO, 1),
        (Duration::from_millis(10), 1),
        (Duration::from_secs(3600), 3600),
        (Duration::from_secs(30 * DAY), 30 * DAY),
        (
            Duration::from_secs(30 * DAY + 1),
            1_789_000_000 + 30 * DAY + 1,
        ),
    ];
    for (ttl, expected) in ends {
        let end = memcached::end(ttl, now);
        ensure!(end == expected, "{ttl:?}: {end}, not {expected}");
    }
    Ok(())
}

fn remedies() -> Outcome {
    let told = |text: &str| {
        Trouble::told(
            Cause::Unreachable,
            "redis://a:1",
            text,
            "ACL SETUSER x +get",
        )
    };
    let unknown = told("ERR \u{1b}]0;owned\u{7}");
    let shown = "redis://a:1: ERR ?]0;owned?: see to the store and to its log";
    ensure!(
        unknown.to_string() == shown && unknown.cause == Cause::Unreachable,
        "{unknown}"
    );
    let denied = told("NOPERM this user has no permissions to run the 'get' command");
    ensure!(
        denied
            .to_string()
            .ends_with(": allow it in the store: ACL SETUSER x +get"),
        "{denied}"
    );
    let full = told("OOM command not allowed when used memory > 'maxmemory'.");
    ensure!(
        full.cause == Cause::Unable && full.to_string().contains("maxmemory-policy"),
        "{full}"
    );
    let long = told(&"x".repeat(10_000));
    ensure!(
        long.to_string().len() < 400,
        "{} bytes",
        long.to_string().len()
    );
    let still = denied.still(Duration::from_millis(1200)).to_string();
    ensure!(
        still.contains("(the next attempt is in 2 s): allow"),
        "{still}"
    );
    Ok(())
}
