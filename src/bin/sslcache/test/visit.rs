//! One connection: the handshake, the ticket that follows it, and a goodbye.

use std::ffi::{CStr, CString, c_int, c_long, c_void};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};
use std::{io::Read, mem};

use super::dialogue::Deadline;
use super::libssl::Libssl;
use super::peer::{Peer, Ready, wait};
use super::session::Session;

/// SSL_CTRL_SET_MIN_PROTO_VERSION
const SET_MIN_PROTO_VERSION: c_int = 123;
/// SSL_CTRL_SET_MAX_PROTO_VERSION
const SET_MAX_PROTO_VERSION: c_int = 124;
/// SSL_CTRL_SET_TLSEXT_HOSTNAME
const SET_TLSEXT_HOSTNAME: c_int = 55;
/// TLSEXT_NAMETYPE_host_name
const NAMETYPE_HOST_NAME: c_long = 0;
/// SSL_OP_NO_TICKET
const OP_NO_TICKET: u64 = 1 << 14;
/// SSL_ERROR_SSL
const ERROR_SSL: c_int = 1;
/// SSL_ERROR_WANT_READ
const ERROR_WANT_READ: c_int = 2;
/// SSL_ERROR_WANT_WRITE
const ERROR_WANT_WRITE: c_int = 3;
/// SSL_EARLY_DATA_ACCEPTED
const EARLY_DATA_ACCEPTED: c_int = 2;

/// How long a ticket of TLS 1.3 is waited for, beyond the time that the handshake took.
const TICKET_COMES_WITHIN: Duration = Duration::from_millis(300);
/// How long the server may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tls12,
    Tls13,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// TLS1_2_VERSION and TLS1_3_VERSION.
    fn number(self) -> c_long {
        match self {
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}

/// Why a visit has failed.
pub enum Trouble {
    /// Before the handshake, or no answer in time.
    Unreachable(String),
    /// The server and this client do not agree in the handshake.
    NoHandshake(String),
}

/// A visit that the server has completed.
pub struct Visit<'a> {
    pub resumed: bool,
    /// What can be offered at the next visit: new, or what was offered.
    pub session: Option<Session<'a>>,
    pub early_data_accepted: bool,
}

/// An SSL_CTX for one protocol, with or without tickets. It verifies nothing and accepts any strength of key.
pub struct Client<'a> {
    libssl: &'a Libssl,
    ctx: NonNull<c_void>,
    protocol: Protocol,
}

impl<'a> Client<'a> {
    pub fn new(libssl: &'a Libssl, protocol: Protocol, tickets: bool) -> Result<Self, String> {
        // SAFETY: the method is the library's own.
        let ctx = unsafe { (libssl.SSL_CTX_new)((libssl.TLS_client_method)()) };
        let ctx = NonNull::new(ctx).ok_or("libssl makes no context")?;
        let client = Self {
            libssl,
            ctx,
            protocol,
        };
        for command in [SET_MIN_PROTO_VERSION, SET_MAX_PROTO_VERSION] {
            // SAFETY: the context is this object's own; these commands take no pointer.
            let set = unsafe {
                (libssl.SSL_CTX_ctrl)(ctx.as_ptr(), command, protocol.number(), ptr::null_mut())
            };
            if set == 0 {
                return Err(format!("this libssl does not speak {}", protocol.name()));
            }
        }
        let options = if tickets { 0 } else { OP_NO_TICKET };
        // SAFETY: the context is this object's own.
        unsafe {
            (libssl.SSL_CTX_set_options)(ctx.as_ptr(), options);
            (libssl.SSL_CTX_set_security_level)(ctx.as_ptr(), 0);
        }
        Ok(client)
    }

    /// Visits the server, offering a session and, with it, early data.
    pub fn visit(
        &self,
        peer: &Peer,
        offered: Option<&Session<'a>>,
        early_data: &[u8],
    ) -> Result<Visit<'a>, Trouble> {
        let deadline = Deadline::after(peer.timeout);
        let stream = peer.connect(deadline).map_err(Trouble::Unreachable)?;
        let _quiet = NoSigpipe::begin();
        let connection = self.connection(&stream, peer, offered)?;
        connection.send_early(early_data, deadline)?;
        let begun = Instant::now();
        connection.drive(deadline, |ssl| {
            // SAFETY: the connection is alive, and its socket is open.
            unsafe { (self.libssl.SSL_connect)(ssl) }
        })?;
        if self.protocol == Protocol::Tls13 {
            connection.await_ticket(begun.elapsed() + TICKET_COMES_WITHIN);
        }
        // SAFETY: the connection is alive.
        let (resumed, early_data_accepted) = unsafe {
            let ssl = connection.ssl.as_ptr();
            let status = (self.libssl.SSL_get_early_data_status)(ssl);
            let reused = (self.libssl.SSL_session_reused)(ssl);
            (reused != 0, status == EARLY_DATA_ACCEPTED)
        };
        let session = connection.session();
        connection.part();
        Ok(Visit {
            resumed,
            session,
            early_data_accepted,
        })
    }

    fn connection<'c>(
        &'c self,
        stream: &'c TcpStream,
        peer: &Peer,
        offered: Option<&Session<'a>>,
    ) -> Result<Connection<'a, 'c>, Trouble> {
        let failed = |what: &str| Trouble::NoHandshake(format!("libssl fails in {what}"));
        let libssl = self.libssl;
        // SAFETY: the context is this object's own; libssl accepts no other than a live one.
        let ssl = unsafe {
            (libssl.ERR_clear_error)();
            (libssl.SSL_new)(self.ctx.as_ptr())
        };
        let ssl = NonNull::new(ssl).ok_or_else(|| failed("SSL_new"))?;
        let connection = Connection {
            libssl,
            ssl,
            stream,
        };
        let raw = ssl.as_ptr();
        // SAFETY: the connection was just made. The stream outlives it, as its type says.
        if unsafe { (libssl.SSL_set_fd)(raw, stream.as_raw_fd()) } != 1 {
            return Err(failed("SSL_set_fd"));
        }
        if let Some(name) = &peer.server_name {
            let name = CString::new(name.as_str()).map_err(|_| failed("the server name"))?;
            let pointer = name.as_ptr().cast_mut().cast();
            // SAFETY: the name is a C string, which libssl copies.
            let set =
                unsafe { (libssl.SSL_ctrl)(raw, SET_TLSEXT_HOSTNAME, NAMETYPE_HOST_NAME, pointer) };
            if set != 1 {
                return Err(failed("the server name"));
            }
        }
        if let Some(session) = offered {
            // SAFETY: both are alive; libssl takes a reference of its own.
            if unsafe { (libssl.SSL_set_session)(raw, session.as_ptr()) } != 1 {
                return Err(failed("SSL_set_session"));
            }
        }
        Ok(connection)
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own, and the context is not used afterwards.
        unsafe { (self.libssl.SSL_CTX_free)(self.ctx.as_ptr()) };
    }
}

/// An SSL over a socket that does not block.
struct Connection<'a, 'c> {
    libssl: &'a Libssl,
    ssl: NonNull<c_void>,
    stream: &'c TcpStream,
}

impl<'a> Connection<'a, '_> {
    /// Repeats a call of libssl until it is done, waiting for the socket in between.
    fn drive(
        &self,
        deadline: Deadline,
        call: impl Fn(*mut c_void) -> c_int,
    ) -> Result<(), Trouble> {
        loop {
            let result = call(self.ssl.as_ptr());
            if result == 1 {
                return Ok(());
            }
            // SAFETY: the connection is alive.
            let ready = match unsafe { (self.libssl.SSL_get_error)(self.ssl.as_ptr(), result) } {
                ERROR_WANT_READ => Ready::Read,
                ERROR_WANT_WRITE => Ready::Write,
                ERROR_SSL => return Err(Trouble::NoHandshake(self.reason())),
                _ => {
                    return Err(Trouble::NoHandshake(
                        "the server closed the connection in the handshake".to_owned(),
                    ));
                }
            };
            wait(
                self.stream,
                ready,
                deadline.left().map_err(Trouble::Unreachable)?,
            );
        }
    }

    /// The error in libssl's queue.
    fn reason(&self) -> String {
        // SAFETY: these have no preconditions. The text is constant, or null.
        unsafe {
            let text = (self.libssl.ERR_reason_error_string)((self.libssl.ERR_peek_error)());
            match text.is_null() {
                true => "the handshake failed".to_owned(),
                false => CStr::from_ptr(text).to_string_lossy().into_owned(),
            }
        }
    }

    fn send_early(&self, data: &[u8], deadline: Deadline) -> Result<(), Trouble> {
        if data.is_empty() {
            return Ok(());
        }
        self.drive(deadline, |ssl| {
            let mut written = 0;
            // SAFETY: the connection is alive, and the data lives across the call.
            unsafe {
                (self.libssl.SSL_write_early_data)(
                    ssl,
                    data.as_ptr().cast(),
                    data.len(),
                    &raw mut written,
                )
            }
        })
    }

    /// The newest session.
    fn session(&self) -> Option<Session<'a>> {
        // SAFETY: the connection is alive; the reference that get1 returns goes to the session.
        unsafe {
            let raw = (self.libssl.SSL_get1_session)(self.ssl.as_ptr());
            Session::from_raw(self.libssl, raw)
        }
    }

    /// Reads until a ticket came. Each one makes a new session of the connection's, so the pointer tells.
    fn await_ticket(&self, time: Duration) {
        // The reference keeps the address from being used again.
        let before = self.session();
        let end = Instant::now() + time;
        loop {
            let mut ignored = [0_u8; 4096];
            let length = c_int::try_from(ignored.len()).unwrap_or(0);
            // SAFETY: the connection is alive, and the buffer has this length.
            let error = unsafe {
                let ssl = self.ssl.as_ptr();
                let read = (self.libssl.SSL_read)(ssl, ignored.as_mut_ptr().cast(), length);
                (self.libssl.SSL_get_error)(ssl, read)
            };
            let pointer = |session: &Option<Session<'_>>| session.as_ref().map(Session::as_ptr);
            let is_new = pointer(&self.session()) != pointer(&before);
            let left = end.saturating_duration_since(Instant::now());
            // Data of the server's, such as a greeting, may precede a ticket.
            let goes_on = error == ERROR_WANT_READ || error == 0;
            if is_new || left.is_zero() || !goes_on {
                return;
            }
            if error == ERROR_WANT_READ {
                wait(self.stream, Ready::Read, left);
            }
        }
    }

    /// Says goodbye, and lets the server read it. Without it libssl, here and in the server, would take the session as broken
    /// off; and what is closed with unread data is reset, which a server may notice before the goodbye.
    fn part(self) {
        // SAFETY: the connection is alive.
        unsafe { (self.libssl.SSL_shutdown)(self.ssl.as_ptr()) };
        let _ = self.stream.shutdown(Shutdown::Write);
        let end = Instant::now() + GOODBYE;
        let mut stream = self.stream;
        let mut ignored = [0; 4096];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match stream.read(&mut ignored) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    wait(stream, Ready::Read, left);
                }
                Err(_) => return,
            }
        }
    }
}

impl Drop for Connection<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: the connection is this object's own and not used afterwards. The errors were read.
        unsafe {
            (self.libssl.SSL_free)(self.ssl.as_ptr());
            (self.libssl.ERR_clear_error)();
        }
    }
}

/// libssl writes with write(2): a server that has gone would end this process.
struct NoSigpipe(libc::sighandler_t);

impl NoSigpipe {
    fn begin() -> Self {
        // SAFETY: SIG_IGN is no function.
        Self(unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) })
    }
}

impl Drop for NoSigpipe {
    fn drop(&mut self) {
        // SAFETY: the disposition is what the process had.
        unsafe { libc::signal(libc::SIGPIPE, mem::replace(&mut self.0, libc::SIG_DFL)) };
    }
}
