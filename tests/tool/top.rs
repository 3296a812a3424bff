//! `sslcache top`, in terminals of tmux.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::server::Server;
use crate::tool::{Folder, Outcome, Said, Tool, has_in_order, is_kept_out, said};

pub const CASES: &[Case] = &[
    ("top fits 80 columns and 24 lines, sorts and ends", small),
    (
        "top fits 40 to 200 columns and 5 to 50 lines, and follows a change of size",
        large,
    ),
    ("top says that it needs a terminal", no_terminal),
    ("top says that there is nothing to show", nothing),
];

/// The headings by the width of the terminal: the least important ones are left out where it is narrow.
const HEADS: [(u16, &str); 4] = [
    (40, "PID PROGRAM SHAKE/S SESSIONS"),
    (60, "PID PROGRAM SHAKE/S RES% SESSIONS HIT/S HIT%"),
    (
        80,
        "PID PROGRAM SHAKE/S RES% SESSIONS MEMORY HIT/S MISS/S HIT% EVICT/S",
    ),
    (
        120,
        "PID PROGRAM SHAKE/S RES% SESSIONS MEMORY HIT/S MISS/S HIT% ADD/S EVICT/S WAIT/S",
    ),
];

/// A terminal with `sslcache top` in it.
struct Terminal {
    socket: String,
    _folder: Folder,
}

impl Terminal {
    fn open(
        tool: &Tool,
        runtime: &Folder,
        width: u16,
        height: u16,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = Folder::new()?;
        let terminal = Self {
            socket: folder.file("tmux").display().to_string(),
            _folder: folder,
        };
        let program = format!(
            "env XDG_RUNTIME_DIR={} {} top",
            runtime.0.display(),
            tool.stage.join("bin/sslcache").display()
        );
        let (width, height) = (width.to_string(), height.to_string());
        let begun = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            &program,
        ])?;
        if begun.code != 0 {
            return Err(begun.err.into());
        }
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<Said, Box<dyn std::error::Error>> {
        said(
            Command::new("tmux")
                .args(["-u", "-S", &self.socket])
                .args(arguments)
                .env_remove("TMUX")
                // The account of a service has no shell.
                .env("SHELL", "/bin/sh"),
        )
    }

    /// Waits until the screen shows `part`, and returns it.
    fn screen_with(&self, part: &str) -> Result<String, Box<dyn std::error::Error>> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let screen = self.tmux(&["capture-pane", "-p"])?;
            if screen.out.contains(part) {
                return Ok(screen.out);
            }
            if Instant::now() > end {
                return Err(
                    format!("no {part:?} on the screen:\n{}{}", screen.out, screen.err).into(),
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn press(&self, key: &str) -> Outcome {
        self.tmux(&["send-keys", key]).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

fn visited(tool: &Tool) -> Result<Server, Box<dyn std::error::Error>> {
    let server = Server::start(
        tool,
        &[],
        "ssl_session_tickets off; ssl_session_cache builtin:1000;",
    )?;
    assert_eq!(server.visit("1.2")?, "full=20 resumed=20 held=server");
    Ok(server)
}

/// Checks that the columns for this width are there, whole, that no line is wrapped, and that the last one shows the keys.
fn check(screen: &str, (width, height): (u16, usize)) -> Outcome {
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(lines.len(), height, "{screen}");
    let title = match width {
        40 => "3 processes, by sessions",
        _ => "sslcache top: 3 processes, largest sessions first",
    };
    assert!(lines[0].starts_with(title), "{screen}");
    let heads: Vec<_> = lines[1].split_whitespace().collect();
    let wanted = HEADS.iter().find(|(least, _)| *least == width.min(120));
    let wanted = wanted.map(|(_, heads)| *heads);
    assert_eq!(wanted, Some(&*heads.join(" ")), "{screen}");
    // Each row has a value, though it be a dash, below each heading.
    for row in &lines[2..5] {
        assert_eq!(row.split_whitespace().count(), heads.len(), "{screen}");
    }
    assert_eq!(
        lines.iter().filter(|line| line.contains(" nginx ")).count(),
        3,
        "{screen}"
    );
    let keys = match width {
        40 => "q quit   left/right sort by   r reverse",
        _ => "q quit   left/right sort by   r reverse   up/down scroll",
    };
    assert_eq!(lines[height - 1], keys, "{screen}");
    Ok(())
}

fn small(tool: &Tool) -> Outcome {
    let server = visited(tool)?;
    let terminal = Terminal::open(tool, &server.runtime, 80, 24)?;
    let screen = terminal.screen_with("nginx")?;
    check(&screen, (80, 24))?;
    has_in_order(&screen, &[" 100 "])?; // percent of hits
    for _ in 0..4 {
        terminal.press("Left")?;
    }
    let by_pid = terminal.screen_with("largest pid first")?;
    terminal.press("r")?;
    let reversed = terminal.screen_with("smallest pid first")?;
    let pids = |screen: &str| -> Vec<u32> {
        let rows = screen.lines().filter(|line| line.contains(" nginx "));
        rows.filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect()
    };
    let (falling, rising) = (pids(&by_pid), pids(&reversed));
    assert!(
        rising.is_sorted() && falling.iter().rev().eq(&rising),
        "{falling:?} {rising:?}"
    );
    terminal.press("q")?;
    let end = Instant::now() + Duration::from_secs(20);
    while terminal.tmux(&["has-session"])?.code == 0 {
        assert!(Instant::now() < end, "it does not end");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn large(tool: &Tool) -> Outcome {
    let server = visited(tool)?;
    let terminal = Terminal::open(tool, &server.runtime, 200, 50)?;
    check(&terminal.screen_with("nginx")?, (200, 50))?;
    for (width, heads) in HEADS {
        terminal.tmux(&["resize-window", "-x", &width.to_string(), "-y", "20"])?;
        let last = heads.rsplit_once(' ').map_or(heads, |(_, last)| last);
        // The heading is the last one of its line at this width alone.
        let screen = terminal.screen_with(&format!("{last}\n"))?;
        check(&screen, (width, 20))?;
    }
    // The column that is sorted by is shown, though others matter more: here the last one.
    for _ in 0..5 {
        terminal.press("Left")?;
    }
    terminal.tmux(&["resize-window", "-x", "40", "-y", "20"])?;
    let screen = terminal.screen_with("by wait/s")?;
    let heads: Vec<_> = screen
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        heads,
        ["PID", "PROGRAM", "SHAKE/S", "RES%", "WAIT/S"],
        "{screen}"
    );
    for _ in 0..5 {
        terminal.press("Right")?;
    }
    // Too small for all rows: the screen shows some, and says which.
    terminal.tmux(&["resize-window", "-x", "40", "-y", "5"])?;
    let screen = terminal.screen_with("1 to 2 shown")?;
    assert_eq!(screen.lines().count(), 5, "{screen}");
    terminal.press("Down")?;
    terminal.screen_with("2 to 3 shown")?;
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"])?;
    check(&terminal.screen_with("EVICT/S")?, (80, 24))
}

fn no_terminal(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let top = tool.say(&folder.0, &["top"])?;
    let said = "sslcache top: standard input and output: no terminal: use sslcache stat, which writes once\n";
    assert_eq!((top.code, &*top.err), (2, said));
    Ok(())
}

fn nothing(tool: &Tool) -> Outcome {
    let runtime = Folder::new()?;
    fs::create_dir(runtime.file("sslcache"))?;
    let terminal = Terminal::open(tool, &runtime, 100, 24)?;
    let screen = terminal.screen_with("q quit")?;
    // If other servers run on this machine, the screen shows them.
    let said = match is_kept_out() {
        true => "/run/sslcache is closed to this user",
        false => "no process shows its figures",
    };
    assert!(
        screen.contains(said) || screen.contains("SESSIONS"),
        "{screen}"
    );
    Ok(())
}
