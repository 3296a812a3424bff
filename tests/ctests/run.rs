//! Runs a command until it ends or its deadline passes.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The standard output of a command, which must exit with 0 and print nothing on stderr.
pub fn silent(command: &mut Command, limit: Duration) -> Result<String, String> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A process group of its own, so that the deadline also ends the processes that it has forked.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{shown}: {error}"))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let deadline = Instant::now() + limit;
    let received = |pipe: &mpsc::Receiver<Vec<u8>>| {
        let bytes = pipe.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let (output, errors) = (received(&stdout), received(&stderr));
    if output.is_err() || errors.is_err() {
        end_group(child.id());
    }
    let status = child.wait().map_err(|error| format!("{shown}: {error}"))?;
    let (Ok(output), Ok(errors)) = (output, errors) else {
        return Err(format!("{shown}: not done after {limit:?}"));
    };
    let errors = without_emulators(&errors);
    if !status.success() || !errors.is_empty() {
        let how = status
            .signal()
            .map_or_else(|| status.to_string(), |signal| format!("signal {signal}"));
        return Err(format!(
            "{shown}: {how}\nstderr:\n{errors}\nstdout:\n{output}"
        ));
    }
    Ok(output)
}

/// What a program itself has written to stderr: under qemu, a signal that ends one of its processes is told there, too.
fn without_emulators(errors: &str) -> String {
    let lines = errors.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("qemu: uncaught target signal "))
        .collect()
}

/// Reads a pipe to its end on a thread, while the child runs.
fn drain(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // The text before an error is worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn end_group(leader: u32) {
    if let Ok(leader) = libc::pid_t::try_from(leader) {
        // SAFETY: kill takes two numbers. The leader of the group has not been waited for, so the id is still its own.
        unsafe { libc::kill(-leader, libc::SIGKILL) };
    }
}
