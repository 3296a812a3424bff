//! A server that speaks a protocol's words before TLS, and then hands the connection to a TLS server. It counts.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What the server says, and what it must have been told, in turn. It speaks first if the first words are its own.
#[derive(Clone, Copy)]
pub enum Turn {
    Says(&'static [u8]),
    Hears(&'static [u8]),
}

/// It listens until the tests end; the thread has nothing that must be given back.
pub struct Relay {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    /// Begins to listen at a port of its own, in front of the TLS servers at the ports
    /// `behind`, which get the connections in turn.
    pub fn start(turns: &'static [Turn], behind: &[u16]) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let behind = behind.to_vec();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Relaxed: the tool has ended when the number is read, and its exit orders the two.
                let number = counted.fetch_add(1, Ordering::Relaxed);
                let port = behind[number % behind.len()];
                thread::spawn(move || serve(stream, turns, port));
            }
        });
        Ok(Self { port, connections })
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, turns: &[Turn], behind: u16) -> io::Result<()> {
    for turn in turns {
        match turn {
            Turn::Says(words) => stream.write_all(words)?,
            Turn::Hears(words) => {
                let mut heard = vec![0; words.len()];
                stream.read_exact(&mut heard)?;
                if heard != *words {
                    return stream.write_all(b"these are not the words\r\n");
                }
            }
        }
    }
    let server = TcpStream::connect(("127.0.0.1", behind))?;
    let (from, to) = (stream.try_clone()?, server.try_clone()?);
    let there = thread::spawn(move || pass(from, to));
    pass(server, stream);
    let _ = there.join();
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
