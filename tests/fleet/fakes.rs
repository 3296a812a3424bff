//! Servers that answer what no real one does: cut, half, wrong, endless.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::agent::store::Cause;
use crate::engines::{HOUR, config, fine, run, store};
use crate::redis::trouble;
use crate::traffic::{again, connected};
use crate::{Case, Outcome, ensure};

pub const CASES: &[Case] = &[
    (
        "fakes / a connection that is reset in mid-reply",
        &[],
        reset,
    ),
    ("fakes / half a reply, and then nothing", &[], half),
    (
        "fakes / a connection that is closed in mid-reply",
        &[],
        closed,
    ),
    (
        "fakes / half a session, and then a reset, the end or nothing",
        &[],
        half_a_session,
    ),
    ("fakes / answers that are none", &[], nonsense),
    (
        "fakes / an idle connection that was closed is replaced",
        &[],
        idle,
    ),
    ("fakes / a value that vanishes each time", &[], vanishes),
];

/// What is done after the last answer.
#[derive(Clone, Copy)]
enum Then {
    Reset,
    Close,
    Nothing,
}

/// Answers each connection's questions one after another, until this program ends; returns the port.
fn serve(answers: Vec<Vec<u8>>, then: Then) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            kept.extend(answer(stream, &answers, then));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, answers: &[Vec<u8>], then: Then) -> Option<TcpStream> {
    for answer in answers {
        let mut question = [0; 4096];
        if stream.read(&mut question).ok()? == 0 {
            return None;
        }
        stream.write_all(answer).ok()?;
    }
    match then {
        Then::Nothing => Some(stream),
        Then::Close => None,
        Then::Reset => {
            // Let the answer arrive before what follows it.
            thread::sleep(Duration::from_millis(50));
            let now = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            // SAFETY: the socket is open, and the structure of the size that is told.
            unsafe {
                libc::setsockopt(
                    stream.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const now).cast(),
                    size_of::<libc::linger>() as libc::socklen_t,
                )
            };
            None
        }
    }
}

const NAME: &str = "sslc:1:k:a";

/// The beginning of a value, by Redis and by memcached.
const HALVES: [(&str, &str); 2] = [
    ("redis", "$10\r\nabc"),
    ("memcached", "VALUE sslc:1:k:a 0 10\r\nabc"),
];

fn reset() -> Outcome {
    run(async {
        for (scheme, half) in HALVES {
            let port = serve(vec![half.into()], Then::Reset)?;
            let store = store(&config(&format!("{scheme}://127.0.0.1:{port}")))?;
            let place = format!("{scheme}://127.0.0.1:{port}: ");
            trouble(store.get(NAME).await, Cause::Unreachable, &[&place])?;
        }
        Ok(())
    })?
}

fn closed() -> Outcome {
    run(async {
        for (scheme, half) in HALVES {
            let port = serve(vec![half.into()], Then::Close)?;
            let store = store(&config(&format!("{scheme}://127.0.0.1:{port}")))?;
            let place = format!("{scheme}://127.0.0.1:{port}: ");
            trouble(store.get(NAME).await, Cause::Unreachable, &[&place])?;
        }
        Ok(())
    })?
}

fn half() -> Outcome {
    run(async {
        for (scheme, half) in HALVES {
            let port = serve(vec![half.into()], Then::Nothing)?;
            let mut config = config(&format!("{scheme}://127.0.0.1:{port}"));
            config.timeout = Duration::from_millis(200);
            let start = Instant::now();
            trouble(
                store(&config)?.get(NAME).await,
                Cause::Late,
                &["no answer within 200ms"],
            )?;
            ensure!(
                start.elapsed() < Duration::from_secs(3),
                "{:?}",
                start.elapsed()
            );
        }
        Ok(())
    })?
}

/// The same, as sessions are asked for: none is found, in time, and a connection is made anew.
fn half_a_session() -> Outcome {
    run(async {
        for (scheme, half) in HALVES {
            for then in [Then::Reset, Then::Close, Then::Nothing] {
                let port = serve(vec![half.into()], then)?;
                let mut config = config(&format!("{scheme}://127.0.0.1:{port}"));
                config.timeout = Duration::from_millis(300);
                let traffic = connected(&config, None).await?;
                for _ in 0..2 {
                    let start = Instant::now();
                    let cause = match then {
                        Then::Nothing => Cause::Late,
                        Then::Reset | Then::Close => Cause::Unreachable,
                    };
                    trouble(traffic.get_all(&[NAME.into()]).await, cause, &[scheme])?;
                    let took = start.elapsed();
                    ensure!(took < Duration::from_secs(2), "{scheme}: {took:?}");
                    again(&traffic).await?;
                }
            }
        }
        Ok(())
    })?
}

fn nonsense() -> Outcome {
    let long = "x".repeat(100_000);
    let value = format!("$100000\r\n{long}\r\n");
    let answers = [
        ("redis", "HTTP/1.1 400 Bad Request\r\n\r\n", Cause::Odd),
        (
            "rediss",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            Cause::Unreachable,
        ),
        ("redis", "+what\u{1b}[31m\r\n", Cause::Odd),
        ("redis", ":1\r\n", Cause::Odd),
        ("redis", &value, Cause::Odd),
        ("redis", "-ERR unknown command\r\n", Cause::Unable),
        ("redis", "-MOVED 1 127.0.0.1:1\r\n", Cause::Odd),
        ("memcached", "HTTP/1.1 400 Bad Request\r\n\r\n", Cause::Odd),
        (
            "memcached",
            "VALUE sslc:1:k:b 0 1\r\na\r\nEND\r\n",
            Cause::Odd,
        ),
        (
            "memcached",
            "VALUE sslc:1:k:a 0 99999999999999999999\r\n",
            Cause::Odd,
        ),
        ("memcached", "VALUE sslc:1:k:a 0 65537\r\n", Cause::Odd),
        (
            "memcached",
            "VALUE sslc:1:k:a 0 1\r\nabcEND\r\n",
            Cause::Odd,
        ),
        ("memcached", "SERVER_ERROR out of memory\r\n", Cause::Unable),
        ("memcached", &long, Cause::Odd),
        ("memcached", "\u{1b}[31m\r\n", Cause::Odd),
    ];
    run(async {
        for (scheme, answer, cause) in answers {
            let port = serve(vec![answer.into()], Then::Nothing)?;
            let store = store(&config(&format!("{scheme}://127.0.0.1:{port}")))?;
            let said = match answer.starts_with([':', '+']) {
                true => store.put_if_absent(NAME, b"a", HOUR).await.map(Some),
                false => store.get(NAME).await,
            };
            if let Err(trouble) = &said {
                let shown = trouble.to_string();
                ensure!(
                    !shown.contains(char::is_control) && shown.len() < 600,
                    "{shown:?}"
                );
            }
            let word = match scheme {
                "rediss" => "speaks no TLS on this port",
                _ => "",
            };
            trouble(said, cause, &[word]).map_err(|error| format!("{answer:.40}: {error}"))?;
        }
        Ok(())
    })?
}

fn idle() -> Outcome {
    let answers = [("redis", "$-1\r\n"), ("memcached", "END\r\n")];
    run(async {
        for (scheme, nothing) in answers {
            let port = serve(vec![nothing.into()], Then::Close)?;
            let store = store(&config(&format!("{scheme}://127.0.0.1:{port}")))?;
            for _ in 0..3 {
                ensure!(
                    fine(store.get(NAME).await)?.is_none(),
                    "{scheme}: there is a value"
                );
            }
        }
        Ok(())
    })?
}

fn vanishes() -> Outcome {
    let answers = [
        ("redis", "$-1\r\n", "$-1\r\n"),
        ("memcached", "NOT_STORED\r\n", "END\r\n"),
    ];
    run(async {
        for (scheme, there_is_one, there_is_none) in answers {
            let both: [Vec<u8>; 2] = [there_is_one.into(), there_is_none.into()];
            let port = serve([both.clone(), both.clone(), both].concat(), Then::Nothing)?;
            let store = store(&config(&format!("{scheme}://127.0.0.1:{port}")))?;
            trouble(
                store.put_if_absent(NAME, b"a", HOUR).await,
                Cause::Odd,
                &["values vanish"],
            )?;
        }
        Ok(())
    })?
}
