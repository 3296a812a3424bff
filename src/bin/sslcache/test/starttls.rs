//! What is said in the clear before the handshake, by protocol.

use super::dialogue::Dialogue;

/// A protocol in which TLS is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    Postgres,
}

/// The protocols as they are written.
pub static PROTOCOLS: [(&str, StartTls); 6] = [
    ("smtp", StartTls::Smtp),
    ("imap", StartTls::Imap),
    ("pop3", StartTls::Pop3),
    ("ftp", StartTls::Ftp),
    ("ldap", StartTls::Ldap),
    ("postgres", StartTls::Postgres),
];

/// An extended request of LDAP (RFC 4511, section 4.14): message 1, the name of StartTLS.
const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The length of the message, which is its own, and 80877103, the code of SSLRequest.
const POSTGRES_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

impl StartTls {
    pub fn name(self) -> &'static str {
        PROTOCOLS
            .iter()
            .find(|(_, protocol)| *protocol == self)
            .map_or("", |(name, _)| name)
    }

    /// Asks for TLS. When this returns, the handshake is next.
    pub fn ask(self, dialogue: &mut Dialogue<'_>) -> Result<(), String> {
        match self {
            Self::Smtp => {
                reply(dialogue, "220")?;
                dialogue.write(b"EHLO localhost\r\n")?;
                let can = reply(dialogue, "250")?;
                let word = |line: &String| line.get(4..).unwrap_or("").trim().to_uppercase();
                if !can.iter().any(|line| word(line) == "STARTTLS") {
                    return Err("the server does not offer STARTTLS".to_owned());
                }
                dialogue.write(b"STARTTLS\r\n")?;
                reply(dialogue, "220").map(drop)
            }
            Self::Imap => {
                expect(dialogue.line()?, "* OK")?;
                dialogue.write(b"a STARTTLS\r\n")?;
                loop {
                    let line = dialogue.line()?;
                    // Lines without the tag may come in between.
                    if !line.starts_with('*') {
                        return expect(line, "a OK");
                    }
                }
            }
            Self::Pop3 => {
                expect(dialogue.line()?, "+OK")?;
                dialogue.write(b"STLS\r\n")?;
                expect(dialogue.line()?, "+OK")
            }
            Self::Ftp => {
                reply(dialogue, "220")?;
                dialogue.write(b"AUTH TLS\r\n")?;
                reply(dialogue, "234").map(drop)
            }
            Self::Ldap => ldap(dialogue),
            Self::Postgres => {
                dialogue.write(POSTGRES_REQUEST)?;
                let mut answer = [0];
                dialogue.read(&mut answer)?;
                match answer[0] {
                    b'S' => Ok(()),
                    b'N' => Err("the server says that it has no TLS".to_owned()),
                    _ => Err("the answer is not that of PostgreSQL".to_owned()),
                }
            }
        }
    }
}

/// A reply of SMTP and FTP: `220-` begins a line that others follow, `220 ` is the last.
fn reply(dialogue: &mut Dialogue<'_>, code: &str) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    loop {
        let line = dialogue.line()?;
        // FTP allows lines without the code between the first and the last.
        let is_last = line.starts_with(code) && !line[code.len()..].starts_with('-');
        if lines.is_empty() {
            expect(line.clone(), code)?;
        }
        lines.push(line);
        if is_last {
            return Ok(lines);
        }
    }
}

fn expect(line: String, beginning: &str) -> Result<(), String> {
    let matches = line
        .get(..beginning.len())
        .is_some_and(|begins| begins.eq_ignore_ascii_case(beginning));
    match matches {
        true => Ok(()),
        false => {
            let said: String = line.chars().take(100).collect();
            Err(format!(
                "the server says {said:?} where {beginning:?} was expected"
            ))
        }
    }
}

/// Reads the response, in BER: `SEQUENCE { message 1, [APPLICATION 24] { ENUMERATED result, ... } }`.
fn ldap(dialogue: &mut Dialogue<'_>) -> Result<(), String> {
    dialogue.write(LDAP_REQUEST)?;
    element(dialogue, 0x30)?;
    let message = element(dialogue, 0x02)?;
    dialogue.read(&mut vec![0; message])?;
    let response = element(dialogue, 0x78)?;
    // The rest of the response follows its result.
    let result = element(dialogue, 0x0a)?;
    let mut code = vec![0; result];
    dialogue.read(&mut code)?;
    let header_and_result = 2 + result;
    let rest = response
        .checked_sub(header_and_result)
        .ok_or("the answer is not that of LDAP")?;
    dialogue.read(&mut vec![0; rest])?;
    match code.as_slice() {
        [0] => Ok(()),
        code => Err(format!(
            "the server refuses StartTLS with LDAP result {code:?}"
        )),
    }
}

/// Reads the tag and the length of an element.
fn element(dialogue: &mut Dialogue<'_>, tag: u8) -> Result<usize, String> {
    let mut head = [0; 2];
    dialogue.read(&mut head)?;
    let mut length = usize::from(head[1]);
    if length >= 0x80 {
        // The long form: the number of the bytes that hold the length.
        let mut bytes = [0; 4];
        let held = bytes
            .get_mut(..length - 0x80)
            .ok_or("the answer is not that of LDAP")?;
        dialogue.read(held)?;
        length = held
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    match head[0] == tag && length <= 4096 {
        true => Ok(length),
        false => Err("the answer is not that of LDAP".to_owned()),
    }
}
