//! openssl s_server at a port of 127.0.0.1.

use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::server::certify;
use crate::tool::Folder;

/// One process, which serves one connection after the other. It ends on drop.
pub struct SServer {
    child: Child,
    pub port: u16,
    _folder: Folder,
}

impl SServer {
    pub fn start(options: &[&str]) -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new()?;
        certify(&folder)?;
        let mut command = Command::new("openssl");
        command
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .args(options)
            .current_dir(&folder.0)
            // It reads what it is to send, and would end with its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        let port = loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Err("s_server does not listen".into());
            }
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                let (_, port) = address.trim().rsplit_once(':').ok_or("no port")?;
                break port.parse()?;
            }
        };
        // What it prints for each connection is nobody's concern, but a full pipe would stop it.
        thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
        Ok(Self {
            child,
            port,
            _folder: folder,
        })
    }
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
