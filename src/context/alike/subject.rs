//! The subject whose attributes are read: a connection as it is now, or a context from which connections are made.
//!
//! Both have the same attributes, and for nearly each of them libssl has two getters, one for a connection and one for a
//! context. Of a connection all certificates are read. Of a context only the current one is read: connections in other
//! threads use its certificates, so the mark of the current one must not be moved.

use core::ffi::{c_int, c_long, c_void};
use core::ptr;

use super::learned::Learned;
use crate::host::abi::*;
use crate::host::scratch::Origin;
use crate::host::table::Traits;
use crate::host::types::*;
use crate::host::{Host, Libssl};

/// The kind of a subject.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A connection of a server, inside one of its handshake's callbacks.
    Connection(*mut SSL),
    /// A context, which its program may be setting up.
    Context,
}

/// A connection or a context whose attributes are read. The pointers stay alive for as long as the Subject is used: its
/// maker, [`decide`](super::decide), vouches for that, and the functions below rely on it.
pub struct Subject<'a> {
    /// Whether the subject is a connection or a context.
    pub kind: Kind,
    /// The libssl of the subject.
    pub host: &'static Host,
    /// The functions of that libssl.
    pub libssl: &'static Libssl,
    /// The library context and property query with which the subject's context was made.
    pub origin: &'a Origin,
    /// The [`lineage`](crate::context::Context::lineage) of the context that the subject was made from, or is.
    pub lineage: Option<[u8; 16]>,
    /// Whether certificates are not compared if a client sends a server name.
    pub leaves_out_certificates: bool,
    /// The attributes that the setters of that context have told.
    pub learned: &'a Learned,
    /// The context that the subject has now. A servername callback may have switched a connection to it.
    pub ctx: *mut SSL_CTX,
    /// The attributes that the setters of `ctx` have told, if a connection was switched to it.
    pub switched: Option<&'a Learned>,
}

/// A certificate of a subject, with its chain.
pub struct Certificate {
    /// The certificate that is shown.
    pub leaf: *mut X509,
    /// The certificates between it and a root, as the program has set them.
    pub chain: *const OPENSSL_STACK,
}

/// A subject shows at most this many certificates: libssl has nine kinds of keys.
const CERTIFICATES_MOST: usize = 16;

/// The store by which the certificates of clients are verified.
pub enum Store {
    /// This one, which the subject keeps alive.
    Told(*mut X509_STORE),
    /// The host does not tell: 1.1.1k and 1.1.1o have no SSL_CTX_get0_verify_cert_store, 1.1.1w has.
    Untold,
}

impl Subject<'_> {
    /// The getters of the subject's libssl.
    pub fn traits(&self) -> &'static Traits {
        &self.host.traits
    }

    /// The learned attributes of each context by which the subject is configured.
    pub fn all_learned(&self) -> impl Iterator<Item = &Learned> {
        [Some(self.learned), self.switched].into_iter().flatten()
    }

    /// The learned attributes of the context that the subject has now.
    pub fn learned_of_current(&self) -> &Learned {
        self.switched.unwrap_or(self.learned)
    }

    /// The verification parameters.
    pub fn param(&self) -> Option<*mut X509_VERIFY_PARAM> {
        let traits = self.traits();
        // SAFETY: connection and context are alive, and own what is answered.
        let param = unsafe {
            match self.kind {
                Kind::Connection(ssl) => traits.SSL_get0_param?(ssl),
                Kind::Context => traits.SSL_CTX_get0_param?(self.ctx),
            }
        };
        (!param.is_null()).then_some(param)
    }

    /// The options, SSL_OP_*.
    pub fn options(&self) -> u64 {
        let libssl = self.libssl;
        // SAFETY: connection and context are alive.
        unsafe {
            match self.kind {
                Kind::Connection(ssl) => (libssl.SSL_get_options)(ssl),
                Kind::Context => (libssl.SSL_CTX_get_options)(self.ctx),
            }
        }
    }

    /// The answer to a control command that takes no pointer.
    pub fn control(&self, command: c_int) -> Option<c_long> {
        self.control_into(command, 0, ptr::null_mut())
    }

    /// The answer to a control command.
    pub fn control_into(
        &self,
        command: c_int,
        argument: c_long,
        place: *mut c_void,
    ) -> Option<c_long> {
        let ctrl = self.libssl.SSL_CTX_ctrl;
        // SAFETY: connection and context are alive; `place` is what the command writes to.
        Some(unsafe {
            match self.kind {
                Kind::Connection(ssl) => self.traits().SSL_ctrl?(ssl, command, argument, place),
                Kind::Context => ctrl(self.ctx, command, argument, place),
            }
        })
    }

    /// The store by which the certificates of clients are verified: SSL_CTX_set1_verify_cert_store's, or else the
    /// context's own.
    pub fn verifying_store(&self) -> Option<Store> {
        let mut store = ptr::null_mut::<X509_STORE>();
        let place = (&raw mut store).cast::<c_void>();
        if self.control_into(SSL_CTRL_GET_VERIFY_CERT_STORE, 0, place)? != 1 {
            return Some(Store::Untold);
        }
        if store.is_null() {
            // SAFETY: the context is alive, and owns the store that is returned.
            store = unsafe { self.traits().SSL_CTX_get_cert_store?(self.ctx) };
        }
        (!store.is_null()).then_some(Store::Told(store))
    }

    /// Visits each certificate; `None` if they cannot be told.
    pub fn each_certificate(&self, mut visit: impl FnMut(Certificate) -> Option<()>) -> Option<()> {
        match self.kind {
            Kind::Context => {
                // SAFETY: the context is alive, and owns the certificate that is returned.
                let leaf = unsafe { self.traits().SSL_CTX_get0_certificate?(self.ctx) };
                if leaf.is_null() {
                    return Some(());
                }
                visit(self.with_chain(leaf)?)
            }
            Kind::Connection(ssl) => self.each_of_connection(ssl, visit),
        }
    }

    /// Visits each certificate of a connection by moving its mark of the current one, which is put back afterwards.
    fn each_of_connection(
        &self,
        ssl: *mut SSL,
        mut visit: impl FnMut(Certificate) -> Option<()>,
    ) -> Option<()> {
        let (get, ctrl) = (self.traits().SSL_get_certificate?, self.traits().SSL_ctrl?);
        // SAFETY: the connection is alive, and no other thread uses it: this thread is inside its handshake. The command
        // takes no pointer.
        let step =
            |which| unsafe { ctrl(ssl, SSL_CTRL_SET_CURRENT_CERT, which, ptr::null_mut()) == 1 };
        // SAFETY: as above.
        let current = unsafe { get(ssl) };
        if current.is_null() {
            // There is no mark that could be put back. If a step succeeds there are certificates, which cannot be told.
            return (!step(SSL_CERT_SET_FIRST)).then_some(());
        }
        // SAFETY: as above; the connection owns the certificate `current`.
        let put_back = || unsafe {
            let select = SSL_CTRL_SELECT_CURRENT_CERT;
            ctrl(ssl, select, 0, current.cast()) == 1
        };
        if !put_back() {
            return None; // the current certificate has no key, so the mark would be lost
        }
        let mut seen = Some(());
        let mut which = SSL_CERT_SET_FIRST;
        for _ in 0..CERTIFICATES_MOST {
            if !step(which) {
                break;
            }
            which = SSL_CERT_SET_NEXT;
            // SAFETY: as above.
            let leaf = unsafe { get(ssl) };
            seen = seen
                .and_then(|()| self.with_chain(leaf))
                .and_then(&mut visit);
        }
        (put_back()).then_some(())?;
        seen
    }

    /// A certificate with the chain that libssl would send with it.
    fn with_chain(&self, leaf: *mut X509) -> Option<Certificate> {
        let mut chain = ptr::null_mut::<OPENSSL_STACK>();
        let place = (&raw mut chain).cast::<c_void>();
        self.control_into(SSL_CTRL_GET_CHAIN_CERTS, 0, place)?;
        if chain.is_null() {
            let ctrl = self.libssl.SSL_CTX_ctrl;
            // SAFETY: the context is alive; the command writes the address of its list for certificates without a chain.
            unsafe { ctrl(self.ctx, SSL_CTRL_GET_EXTRA_CHAIN_CERTS, 1, place) };
        }
        Some(Certificate { leaf, chain })
    }
}

/// Makes a method of each pair of getters, one of a connection and one of a context; `None` if the host lacks the getter.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $of_connection:ident, $of_context:ident;)*) => {
        impl Subject<'_> {
            $($(#[$doc])*
            pub fn $name(&self) -> Option<$type> {
                let traits = self.traits();
                // SAFETY: the subject's connection and context are alive, and own what the getter answers.
                Some(unsafe {
                    match self.kind {
                        Kind::Connection(ssl) => traits.$of_connection?(ssl),
                        Kind::Context => traits.$of_context?(self.ctx),
                    }
                })
            })*
        }
    };
}

getters! {
    /// The verify mode, SSL_VERIFY_*.
    verify_mode: c_int = SSL_get_verify_mode, SSL_CTX_get_verify_mode;
    /// The verify callback, which is asked about each certificate of a client; null if libssl decides alone.
    verify_callback: *const c_void = SSL_get_verify_callback, SSL_CTX_get_verify_callback;
    /// The security level.
    security_level: c_int = SSL_get_security_level, SSL_CTX_get_security_level;
    /// The security callback, which decides whether an algorithm is secure enough.
    security_callback: *const c_void = SSL_get_security_callback, SSL_CTX_get_security_callback;
    /// The argument of the security callback.
    security_data: *const c_void = SSL_get0_security_ex_data, SSL_CTX_get0_security_ex_data;
    /// The cipher suites, in order.
    ciphers: *const OPENSSL_STACK = SSL_get_ciphers, SSL_CTX_get_ciphers;
    /// The authorities that a server names to clients.
    authorities: *const OPENSSL_STACK = SSL_get_client_CA_list, SSL_CTX_get_client_CA_list;
    /// The authorities that are named whatever the side.
    all_authorities: *const OPENSSL_STACK = SSL_get0_CA_list, SSL_CTX_get0_CA_list;
}

impl Host {
    /// Visits each entry of one of libcrypto's lists.
    ///
    /// # Safety
    /// * `list` is null or alive during the call.
    pub unsafe fn each_in(
        &self,
        list: *const OPENSSL_STACK,
        mut visit: impl FnMut(*mut c_void) -> Option<()>,
    ) -> Option<()> {
        if list.is_null() {
            return Some(());
        }
        let value = self.traits.OPENSSL_sk_value?;
        // SAFETY: the caller keeps the list alive.
        let number = unsafe { self.traits.OPENSSL_sk_num?(list) };
        for at in 0..number {
            // SAFETY: the list is alive, and `at` is below the number of its entries.
            visit(unsafe { value(list, at) })?;
        }
        Some(())
    }
}
