//! Sequences of C calls on several contexts, on libssl alone and through sslcache: what each call returns, which callbacks it makes
//! and which sessions it frees are the same.
//!
//! Both run in this process on one libssl.so.3: a context that the host has made by itself is none of ours. What
//! COMPATIBILITY.md lists is left out: sizes that a cache can reach, empty ids, a session in two contexts, calls inside of callbacks,
//! and the order of the callbacks of one flush.

#![cfg_attr(feature = "libfuzzer", no_main)]

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::mem::transmute;
use core::ptr::null_mut;
use std::cell::RefCell;
use std::sync::OnceLock;

use sslcache::capi::{contexts, control, sessions};
use sslcache_fuzz::Input;

type Ctx = *mut c_void;
type Session = *mut c_void;
type OnNew = extern "C" fn(*mut c_void, Session) -> c_int;
type OnGet = extern "C" fn(*mut c_void, *const u8, c_int, *mut c_int) -> Session;
type OnRemove = extern "C" fn(Ctx, Session);
type FreeEx = extern "C" fn(*mut c_void, *mut c_void, *mut c_void, c_int, c_long, *mut c_void);

/// One of the two libraries, as a program sees it.
#[derive(Clone, Copy)]
#[allow(non_snake_case)]
struct Library {
    SSL_CTX_new: unsafe extern "C" fn(*const c_void) -> Ctx,
    SSL_CTX_free: unsafe extern "C" fn(Ctx),
    SSL_CTX_up_ref: unsafe extern "C" fn(Ctx) -> c_int,
    SSL_CTX_ctrl: unsafe extern "C" fn(Ctx, c_int, c_long, *mut c_void) -> c_long,
    SSL_CTX_add_session: unsafe extern "C" fn(Ctx, Session) -> c_int,
    SSL_CTX_remove_session: unsafe extern "C" fn(Ctx, Session) -> c_int,
    SSL_CTX_flush_sessions: unsafe extern "C" fn(Ctx, c_long),
    SSL_CTX_sessions: unsafe extern "C" fn(Ctx) -> *mut c_void,
    SSL_CTX_set_timeout: unsafe extern "C" fn(Ctx, c_long) -> c_long,
    SSL_CTX_get_timeout: unsafe extern "C" fn(Ctx) -> c_long,
    SSL_CTX_set_session_id_context: unsafe extern "C" fn(Ctx, *const u8, c_uint) -> c_int,
    SSL_CTX_sess_set_new_cb: unsafe extern "C" fn(Ctx, Option<OnNew>),
    SSL_CTX_sess_get_new_cb: unsafe extern "C" fn(Ctx) -> Option<OnNew>,
    SSL_CTX_sess_set_get_cb: unsafe extern "C" fn(Ctx, Option<OnGet>),
    SSL_CTX_sess_get_get_cb: unsafe extern "C" fn(Ctx) -> Option<OnGet>,
    SSL_CTX_sess_set_remove_cb: unsafe extern "C" fn(Ctx, Option<OnRemove>),
    SSL_CTX_sess_get_remove_cb: unsafe extern "C" fn(Ctx) -> Option<OnRemove>,
    SSL_SESSION_set_time: unsafe extern "C" fn(Session, c_long) -> c_long,
    SSL_SESSION_set_timeout: unsafe extern "C" fn(Session, c_long) -> c_long,
    SSL_SESSION_set1_id: unsafe extern "C" fn(Session, *const u8, c_uint) -> c_int,
    SSL_SESSION_set_protocol_version: unsafe extern "C" fn(Session, c_int) -> c_int,
    SSL_SESSION_set_ex_data: unsafe extern "C" fn(Session, c_int, *mut c_void) -> c_int,
    // Those that this host has under another name, or as macros.
    SSL_add_session: unsafe extern "C" fn(Ctx, Session) -> c_int,
    SSL_remove_session: unsafe extern "C" fn(Ctx, Session) -> c_int,
    SSL_flush_sessions: unsafe extern "C" fn(Ctx, c_long),
    SSL_CTX_flush_sessions_ex: unsafe extern "C" fn(Ctx, c_long),
    SSL_SESSION_set_time_ex: unsafe extern "C" fn(Session, c_long) -> c_long,
    SSL_CTX_sess_set_cache_size: unsafe extern "C" fn(Ctx, c_long) -> c_long,
    SSL_CTX_set_session_cache_mode: unsafe extern "C" fn(Ctx, c_long) -> c_long,
    /// The counters, the size and the mode.
    getters: [unsafe extern "C" fn(Ctx) -> c_long; GETTERS],
}

const GETTERS: usize = 14;

/// A macro over SSL_CTX_ctrl, as the host's header has it.
unsafe extern "C" fn asked<const COMMAND: c_int>(ctx: Ctx) -> c_long {
    // SAFETY: the caller's context is the host's, and these commands take no pointer.
    unsafe { (libraries().1[0].SSL_CTX_ctrl)(ctx, COMMAND, 0, null_mut()) }
}

/// Likewise, with a number.
unsafe extern "C" fn told<const COMMAND: c_int>(ctx: Ctx, number: c_long) -> c_long {
    // SAFETY: the caller's context is the host's, and these commands take no pointer.
    unsafe { (libraries().1[0].SSL_CTX_ctrl)(ctx, COMMAND, number, null_mut()) }
}

/// What the host alone has.
#[allow(non_snake_case)]
struct Host {
    TLS_method: unsafe extern "C" fn() -> *const c_void,
    SSL_SESSION_new: unsafe extern "C" fn() -> Session,
    SSL_SESSION_free: unsafe extern "C" fn(Session),
    SSL_SESSION_is_resumable: unsafe extern "C" fn(Session) -> c_int,
    SSL_SESSION_get_time: unsafe extern "C" fn(Session) -> c_long,
    SSL_SESSION_get_timeout: unsafe extern "C" fn(Session) -> c_long,
    SSL_SESSION_get_ex_data: unsafe extern "C" fn(Session, c_int) -> *mut c_void,
    OPENSSL_LH_num_items: unsafe extern "C" fn(*const c_void) -> c_ulong,
    ERR_get_error: unsafe extern "C" fn() -> c_ulong,
    ERR_clear_error: unsafe extern "C" fn(),
    /// The ex_data index of a session's number.
    number: c_int,
}

/// A function of the host.
///
/// # Safety
/// * `F` is the type of the function of this name.
unsafe fn found<F>(name: &core::ffi::CStr) -> F {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    assert!(!found.is_null(), "no {name:?}");
    // SAFETY: a function's address, of this type by the contract above.
    unsafe { core::mem::transmute_copy(&found) }
}

macro_rules! host {
    ($handle:expr, $($name:ident),*) => {{
        // SAFETY: the types are those of the headers.
        unsafe { ($(find($handle, concat!(stringify!($name), "\0"))),*) }
    }};
}

/// A function in the library itself, whatever else has its name.
///
/// # Safety
/// * `F` is the type of the function of this name, which ends with a NUL.
unsafe fn find<F>(handle: *mut c_void, name: &str) -> F {
    // SAFETY: the name ends with a NUL, and the handle is open.
    let found = unsafe { libc::dlsym(handle, name.as_ptr().cast::<c_char>()) };
    assert!(!found.is_null(), "no {name}");
    // SAFETY: a function's address, of this type by the contract above.
    unsafe { core::mem::transmute_copy(&found) }
}

/// The same function, whose types have other names in sslcache's sources.
macro_rules! ours {
    ($function:expr) => {{
        let function = $function as *const c_void;
        // SAFETY: the exported function has the type of its C header.
        unsafe { transmute(function) }
    }};
}

fn libraries() -> &'static (Host, [Library; 2]) {
    static FOUND: OnceLock<(Host, [Library; 2])> = OnceLock::new();
    FOUND.get_or_init(|| {
        // SAFETY: the name is a C string; libssl's constructors may run at any time.
        let handle =
            unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        assert!(!handle.is_null(), "no libssl.so.3 here");
        let plain = Library {
            SSL_CTX_new: host!(handle, SSL_CTX_new),
            SSL_CTX_free: host!(handle, SSL_CTX_free),
            SSL_CTX_up_ref: host!(handle, SSL_CTX_up_ref),
            SSL_CTX_ctrl: host!(handle, SSL_CTX_ctrl),
            SSL_CTX_add_session: host!(handle, SSL_CTX_add_session),
            SSL_CTX_remove_session: host!(handle, SSL_CTX_remove_session),
            SSL_CTX_flush_sessions: host!(handle, SSL_CTX_flush_sessions),
            SSL_CTX_sessions: host!(handle, SSL_CTX_sessions),
            SSL_CTX_set_timeout: host!(handle, SSL_CTX_set_timeout),
            SSL_CTX_get_timeout: host!(handle, SSL_CTX_get_timeout),
            SSL_CTX_set_session_id_context: host!(handle, SSL_CTX_set_session_id_context),
            SSL_CTX_sess_set_new_cb: host!(handle, SSL_CTX_sess_set_new_cb),
            SSL_CTX_sess_get_new_cb: host!(handle, SSL_CTX_sess_get_new_cb),
            SSL_CTX_sess_set_get_cb: host!(handle, SSL_CTX_sess_set_get_cb),
            SSL_CTX_sess_get_get_cb: host!(handle, SSL_CTX_sess_get_get_cb),
            SSL_CTX_sess_set_remove_cb: host!(handle, SSL_CTX_sess_set_remove_cb),
            SSL_CTX_sess_get_remove_cb: host!(handle, SSL_CTX_sess_get_remove_cb),
            SSL_SESSION_set_time: host!(handle, SSL_SESSION_set_time),
            SSL_SESSION_set_timeout: host!(handle, SSL_SESSION_set_timeout),
            SSL_SESSION_set1_id: host!(handle, SSL_SESSION_set1_id),
            SSL_SESSION_set_protocol_version: host!(handle, SSL_SESSION_set_protocol_version),
            SSL_SESSION_set_ex_data: host!(handle, SSL_SESSION_set_ex_data),
            SSL_add_session: host!(handle, SSL_CTX_add_session),
            SSL_remove_session: host!(handle, SSL_CTX_remove_session),
            SSL_flush_sessions: host!(handle, SSL_CTX_flush_sessions),
            SSL_CTX_flush_sessions_ex: host!(handle, SSL_CTX_flush_sessions),
            SSL_SESSION_set_time_ex: host!(handle, SSL_SESSION_set_time),
            SSL_CTX_sess_set_cache_size: told::<SET_SIZE>,
            SSL_CTX_set_session_cache_mode: told::<SET_MODE>,
            getters: [
                asked::<20>,
                asked::<21>,
                asked::<22>,
                asked::<23>,
                asked::<24>,
                asked::<25>,
                asked::<26>,
                asked::<27>,
                asked::<28>,
                asked::<29>,
                asked::<30>,
                asked::<31>,
                asked::<GET_SIZE>,
                asked::<GET_MODE>,
            ],
        };
        let with_sslcache = Library {
            SSL_CTX_new: ours!(contexts::SSL_CTX_new),
            SSL_CTX_add_session: ours!(sessions::SSL_CTX_add_session),
            SSL_CTX_remove_session: ours!(sessions::SSL_CTX_remove_session),
            SSL_CTX_flush_sessions: ours!(contexts::SSL_CTX_flush_sessions),
            SSL_CTX_sessions: ours!(contexts::SSL_CTX_sessions),
            SSL_CTX_set_session_id_context: ours!(contexts::SSL_CTX_set_session_id_context),
            SSL_CTX_ctrl: ours!(control::SSL_CTX_ctrl),
            SSL_CTX_sess_set_new_cb: ours!(control::SSL_CTX_sess_set_new_cb),
            SSL_CTX_sess_get_new_cb: ours!(control::SSL_CTX_sess_get_new_cb),
            SSL_CTX_sess_set_get_cb: ours!(control::SSL_CTX_sess_set_get_cb),
            SSL_CTX_sess_get_get_cb: ours!(control::SSL_CTX_sess_get_get_cb),
            SSL_CTX_sess_set_remove_cb: ours!(control::SSL_CTX_sess_set_remove_cb),
            SSL_CTX_sess_get_remove_cb: ours!(control::SSL_CTX_sess_get_remove_cb),
            SSL_SESSION_set_time: ours!(sessions::SSL_SESSION_set_time),
            SSL_SESSION_set_timeout: ours!(sessions::SSL_SESSION_set_timeout),
            SSL_SESSION_set1_id: ours!(sessions::SSL_SESSION_set1_id),
            SSL_SESSION_set_protocol_version: ours!(sessions::SSL_SESSION_set_protocol_version),
            SSL_SESSION_set_ex_data: ours!(sessions::SSL_SESSION_set_ex_data),
            SSL_add_session: ours!(sessions::SSL_add_session),
            SSL_remove_session: ours!(sessions::SSL_remove_session),
            SSL_flush_sessions: ours!(contexts::SSL_flush_sessions),
            SSL_CTX_flush_sessions_ex: ours!(contexts::SSL_CTX_flush_sessions_ex),
            SSL_SESSION_set_time_ex: ours!(sessions::SSL_SESSION_set_time_ex),
            SSL_CTX_sess_set_cache_size: ours!(control::SSL_CTX_sess_set_cache_size),
            SSL_CTX_set_session_cache_mode: ours!(control::SSL_CTX_set_session_cache_mode),
            getters: [
                ours!(control::SSL_CTX_sess_number),
                ours!(control::SSL_CTX_sess_connect),
                ours!(control::SSL_CTX_sess_connect_good),
                ours!(control::SSL_CTX_sess_connect_renegotiate),
                ours!(control::SSL_CTX_sess_accept),
                ours!(control::SSL_CTX_sess_accept_good),
                ours!(control::SSL_CTX_sess_accept_renegotiate),
                ours!(control::SSL_CTX_sess_hits),
                ours!(control::SSL_CTX_sess_cb_hits),
                ours!(control::SSL_CTX_sess_misses),
                ours!(control::SSL_CTX_sess_timeouts),
                ours!(control::SSL_CTX_sess_cache_full),
                ours!(control::SSL_CTX_sess_get_cache_size),
                ours!(control::SSL_CTX_get_session_cache_mode),
            ],
            ..plain
        };
        type NewIndex = unsafe extern "C" fn(
            c_int,
            c_long,
            *mut c_void,
            *mut c_void,
            *mut c_void,
            Option<FreeEx>,
        ) -> c_int;
        // SAFETY: the type is that of the header.
        let new_index: NewIndex = unsafe { found(c"CRYPTO_get_ex_new_index") };
        /// CRYPTO_EX_INDEX_SSL_SESSION
        const OF_SESSIONS: c_int = 2;
        // SAFETY: the callback is a function of this program.
        let number = unsafe {
            new_index(
                OF_SESSIONS,
                0,
                null_mut(),
                null_mut(),
                null_mut(),
                Some(on_free),
            )
        };
        assert!(number >= 0);
        let host = Host {
            TLS_method: host!(handle, TLS_method),
            SSL_SESSION_new: host!(handle, SSL_SESSION_new),
            SSL_SESSION_free: host!(handle, SSL_SESSION_free),
            SSL_SESSION_is_resumable: host!(handle, SSL_SESSION_is_resumable),
            SSL_SESSION_get_time: host!(handle, SSL_SESSION_get_time),
            SSL_SESSION_get_timeout: host!(handle, SSL_SESSION_get_timeout),
            SSL_SESSION_get_ex_data: host!(handle, SSL_SESSION_get_ex_data),
            // SAFETY: the types are those of the headers.
            OPENSSL_LH_num_items: unsafe { found(c"OPENSSL_LH_num_items") },
            // SAFETY: as above.
            ERR_get_error: unsafe { found(c"ERR_get_error") },
            // SAFETY: as above.
            ERR_clear_error: unsafe { found(c"ERR_clear_error") },
            number,
        };
        (host, [plain, with_sslcache])
    })
}

thread_local! {
    /// What callbacks were told since the last look: a letter, and the numbers of context and session.
    static EVENTS: RefCell<Vec<(char, usize, usize)>> = const { RefCell::new(Vec::new()) };
    /// The contexts of the library at work, by their numbers.
    static CONTEXTS: RefCell<Vec<Ctx>> = const { RefCell::new(Vec::new()) };
}

fn note(event: char, context: usize, session: usize) {
    EVENTS.with(|events| events.borrow_mut().push((event, context, session)));
}

fn number_of(session: Session) -> usize {
    let host = &libraries().0;
    // SAFETY: the session is alive, as its callback's argument.
    unsafe { (host.SSL_SESSION_get_ex_data)(session, host.number) as usize }
}

/// A session is freed whose number this is.
extern "C" fn on_free(
    _of: *mut c_void,
    number: *mut c_void,
    _: *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    if !number.is_null() {
        note('f', 0, number as usize);
    }
}

extern "C" fn on_new(_ssl: *mut c_void, _session: Session) -> c_int {
    0
}

extern "C" fn on_get(_ssl: *mut c_void, _id: *const u8, _len: c_int, _copy: *mut c_int) -> Session {
    null_mut()
}

extern "C" fn on_remove(ctx: Ctx, session: Session) {
    // The last: a context may have the address of one that is freed.
    let context = CONTEXTS.with(|contexts| contexts.borrow().iter().rposition(|one| *one == ctx));
    note('r', context.unwrap_or(99), number_of(session));
}

/// A second callback, to tell one from the other.
extern "C" fn on_remove_quietly(_ctx: Ctx, _session: Session) {
    note('q', 0, 0);
}

/// One library with its contexts and sessions.
struct Side {
    library: Library,
    contexts: Vec<Ctx>,
    /// How many references of each are the program's.
    references: Vec<u8>,
    sessions: Vec<Session>,
    /// To which context a session was ever added.
    homes: Vec<usize>,
    /// Whether SSL_CTX_sessions was called.
    is_listed: bool,
}

/// The second in which sessions are made, far from now.
const MADE: c_long = 1_000_000_000;

// Commands of SSL_CTX_ctrl.
const GET_FIRST: c_int = 20; // SSL_CTRL_SESS_NUMBER
const GET_LAST: c_int = 31; // SSL_CTRL_SESS_CACHE_FULL
const SET_SIZE: c_int = 42;
const GET_SIZE: c_int = 43;
const SET_MODE: c_int = 44;
const GET_MODE: c_int = 45;

const CONTEXTS_MOST: usize = 3;
const SESSIONS_MOST: usize = 24;

impl Side {
    fn begin(library: Library) -> Self {
        let mut side = Side {
            library,
            contexts: Vec::new(),
            references: Vec::new(),
            sessions: Vec::new(),
            homes: Vec::new(),
            is_listed: false,
        };
        side.new_context();
        side
    }

    fn new_context(&mut self) {
        // SAFETY: TLS_method is a constant.
        let ctx = unsafe { (self.library.SSL_CTX_new)((libraries().0.TLS_method)()) };
        assert!(!ctx.is_null());
        self.contexts.push(ctx);
        self.references.push(1);
        CONTEXTS.with(|contexts| contexts.borrow_mut().push(ctx));
    }

    fn answer(&mut self, input: &mut Input<'_>) -> Vec<c_long> {
        let host = &libraries().0;
        let library = self.library;
        let operation = input.below(30);
        let context = usize::from(input.u8()) % self.contexts.len();
        let ctx = self.contexts[context];
        let is_alive = self.references[context] > 0;
        let of_session = input.u8();
        // SAFETY: contexts and sessions are used as long as this program has a reference.
        unsafe {
            match operation {
                0 if self.contexts.len() < CONTEXTS_MOST => {
                    self.new_context();
                    vec![]
                }
                1..4 if self.sessions.len() < SESSIONS_MOST => {
                    let session = (host.SSL_SESSION_new)();
                    let id = [input.below(6); 32];
                    let len = 1 + c_uint::from(input.below(32));
                    (library.SSL_SESSION_set1_id)(session, id.as_ptr(), len);
                    (library.SSL_SESSION_set_protocol_version)(
                        session,
                        0x0303 + c_int::from(input.below(2)),
                    );
                    (library.SSL_SESSION_set_time)(session, MADE + c_long::from(input.u8()));
                    (library.SSL_SESSION_set_timeout)(session, c_long::from(input.u8()));
                    let number = self.sessions.len() + 1;
                    (library.SSL_SESSION_set_ex_data)(session, host.number, number as *mut c_void);
                    self.sessions.push(session);
                    self.homes.push(usize::MAX);
                    vec![]
                }
                _ if !is_alive => vec![],
                4..9 => {
                    let Some((number, session)) = self.session(of_session) else {
                        return vec![];
                    };
                    // In two contexts at once the host's lists break.
                    if ![usize::MAX, context].contains(&self.homes[number]) {
                        return vec![];
                    }
                    self.homes[number] = context;
                    let add = match input.flip() {
                        true => library.SSL_add_session,
                        false => library.SSL_CTX_add_session,
                    };
                    vec![add(ctx, session).into()]
                }
                9..12 => match self.session(of_session) {
                    Some((_, session)) => {
                        vec![(library.SSL_CTX_remove_session)(ctx, session).into()]
                    }
                    None => vec![(library.SSL_CTX_remove_session)(ctx, null_mut()).into()],
                },
                12 => {
                    let second = match input.below(5) {
                        0 => 0,
                        1 => MADE * 3,
                        2 => 1,
                        _ => MADE + c_long::from(input.u8()) * 2,
                    };
                    (library.SSL_CTX_flush_sessions)(ctx, second);
                    vec![]
                }
                13 => {
                    let size = [0, 20480, 1000, -1, -7][usize::from(input.below(5))];
                    vec![(library.SSL_CTX_ctrl)(ctx, SET_SIZE, size, null_mut())]
                }
                14 => {
                    let mode = c_long::from(input.u16() & 0x3ff);
                    vec![(library.SSL_CTX_ctrl)(ctx, SET_MODE, mode, null_mut())]
                }
                15 => {
                    let seconds = c_long::from(input.u16());
                    vec![
                        (library.SSL_CTX_set_timeout)(ctx, seconds),
                        (library.SSL_CTX_get_timeout)(ctx),
                    ]
                }
                16 => {
                    let callback: Option<OnRemove> = [
                        None,
                        Some(on_remove as OnRemove),
                        Some(on_remove as OnRemove),
                        Some(on_remove_quietly as OnRemove),
                    ][usize::from(input.below(4))];
                    (library.SSL_CTX_sess_set_remove_cb)(ctx, callback);
                    let is_same = (library.SSL_CTX_sess_get_remove_cb)(ctx).map(|one| one as usize)
                        == callback.map(|one| one as usize);
                    vec![is_same.into()]
                }
                17 => {
                    let (new, get) = (input.flip(), input.flip());
                    let (new, get) = (
                        new.then_some(on_new as OnNew),
                        get.then_some(on_get as OnGet),
                    );
                    (library.SSL_CTX_sess_set_new_cb)(ctx, new);
                    (library.SSL_CTX_sess_set_get_cb)(ctx, get);
                    let (new, get) = (new.map(|one| one as usize), get.map(|one| one as usize));
                    let is_new =
                        (library.SSL_CTX_sess_get_new_cb)(ctx).map(|one| one as usize) == new;
                    let is_get =
                        (library.SSL_CTX_sess_get_get_cb)(ctx).map(|one| one as usize) == get;
                    vec![is_new.into(), is_get.into()]
                }
                18 => {
                    let id = [7; 40];
                    let len = c_uint::from(input.below(40));
                    vec![(library.SSL_CTX_set_session_id_context)(ctx, id.as_ptr(), len).into()]
                }
                19 => match self.session(of_session) {
                    Some((_, session)) => {
                        let seconds = c_long::from(input.u8());
                        vec![match input.flip() {
                            true => (library.SSL_SESSION_set_time)(session, MADE + seconds),
                            false => (library.SSL_SESSION_set_timeout)(session, seconds),
                        }]
                    }
                    None => vec![],
                },
                20 => {
                    self.is_listed = true;
                    let sessions = (library.SSL_CTX_sessions)(ctx);
                    vec![(host.OPENSSL_LH_num_items)(sessions) as c_long]
                }
                21 if self.references[context] < 3 => {
                    self.references[context] += 1;
                    vec![(library.SSL_CTX_up_ref)(ctx).into()]
                }
                22 => {
                    self.references[context] -= 1;
                    (library.SSL_CTX_free)(ctx);
                    vec![]
                }
                // The program's own reference is given up: from here on only a cache may have it.
                23 if input.below(4) == 0 => match self.session(of_session) {
                    Some((number, session)) => {
                        self.sessions[number] = null_mut();
                        (host.SSL_SESSION_free)(session);
                        vec![]
                    }
                    None => vec![],
                },
                24 => match self.session(of_session) {
                    Some((_, session)) => vec![(library.SSL_remove_session)(ctx, session).into()],
                    None => vec![(library.SSL_remove_session)(ctx, null_mut()).into()],
                },
                25 => {
                    let second = MADE + c_long::from(input.u8()) * 2;
                    match input.flip() {
                        true => (library.SSL_flush_sessions)(ctx, second),
                        false => (library.SSL_CTX_flush_sessions_ex)(ctx, second),
                    }
                    vec![]
                }
                26 => match self.session(of_session) {
                    Some((_, session)) => {
                        let second = MADE + c_long::from(input.u8());
                        vec![(library.SSL_SESSION_set_time_ex)(session, second)]
                    }
                    None => vec![],
                },
                27 => {
                    let size = [0, 20480, 1000, -1][usize::from(input.below(4))];
                    vec![(library.SSL_CTX_sess_set_cache_size)(ctx, size)]
                }
                28 => {
                    let mode = c_long::from(input.u16() & 0x3ff);
                    vec![(library.SSL_CTX_set_session_cache_mode)(ctx, mode)]
                }
                29 => library.getters.iter().map(|get| get(ctx)).collect(),
                _ => vec![],
            }
        }
    }

    fn session(&self, number: u8) -> Option<(usize, Session)> {
        let number = usize::from(number).checked_rem(self.sessions.len())?;
        let session = self.sessions[number];
        (!session.is_null()).then_some((number, session))
    }

    /// What the program can see of contexts and sessions.
    fn look(&self) -> Vec<c_long> {
        let (host, library) = (&libraries().0, &self.library);
        let mut seen = Vec::new();
        for (ctx, references) in self.contexts.iter().zip(&self.references) {
            if *references > 0 {
                for what in (GET_FIRST..=GET_LAST).chain([GET_SIZE, GET_MODE]) {
                    // SAFETY: this program has a reference to the context.
                    seen.push(unsafe { (library.SSL_CTX_ctrl)(*ctx, what, 0, null_mut()) });
                }
            }
        }
        for session in self.sessions.iter().filter(|session| !session.is_null()) {
            // SAFETY: this program has a reference to the session.
            unsafe {
                seen.push((host.SSL_SESSION_is_resumable)(*session).into());
                // What the clock has given is the present.
                seen.push((host.SSL_SESSION_get_time)(*session).min(MADE + 1000));
                seen.push((host.SSL_SESSION_get_timeout)(*session));
            }
        }
        // SAFETY: these have no preconditions.
        unsafe {
            seen.push((host.ERR_get_error)() as c_long);
            (host.ERR_clear_error)();
        }
        seen
    }

    fn end(&mut self) {
        for (ctx, references) in self.contexts.iter().zip(&self.references) {
            for _ in 0..*references {
                // SAFETY: the reference is this program's.
                unsafe { (self.library.SSL_CTX_free)(*ctx) };
            }
        }
        for session in self.sessions.drain(..).filter(|session| !session.is_null()) {
            // SAFETY: the reference is this program's.
            unsafe { (libraries().0.SSL_SESSION_free)(session) };
        }
    }
}

/// What a side has said to each call.
fn run(
    library: Library,
    bytes: &[u8],
) -> Vec<(Vec<c_long>, Vec<(char, usize, usize)>, Vec<c_long>)> {
    let events = |is_listed: bool| {
        let mut events = EVENTS.with(|events| std::mem::take(&mut *events.borrow_mut()));
        // What SSL_CTX_sessions has returned has references to the sessions, and stays for a while.
        events.retain(|(event, ..)| !is_listed || *event != 'f');
        events.sort_unstable();
        events
    };
    CONTEXTS.with(|contexts| contexts.borrow_mut().clear());
    let mut side = Side::begin(library);
    let mut input = Input(bytes);
    let mut said = Vec::new();
    while !input.is_over() && said.len() < 300 {
        let answer = side.answer(&mut input);
        said.push((answer, events(side.is_listed), side.look()));
    }
    side.end();
    said.push((vec![], events(side.is_listed), vec![]));
    said
}

sslcache_fuzz::target!(|bytes: &[u8]| {
    let [plain, with_sslcache] = libraries().1;
    let (expected, seen) = (run(plain, bytes), run(with_sslcache, bytes));
    for (step, (expected, seen)) in expected.iter().zip(&seen).enumerate() {
        assert_eq!(expected, seen, "step {step}: libssl and sslcache");
    }
});
