//! What a client did before, as far as it is known when its session is cached.

/// The history of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientHistory {
    /// Nothing is known: most clients never return.
    New,
    /// The client offered a session that is not here: it may be coming back, or make ids up. Its session is kept longer if
    /// no client that is known to return needs the room.
    Returning,
    /// The client came back: the session was made in a resumed handshake, or the client offered one that had to leave, and
    /// it returns more often than clients whose sessions stayed. Its session is kept longer.
    Proven,
}
