//! Descriptors that are sent over a Unix socket (SCM_RIGHTS).

use core::mem;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::files::uninterrupted;

/// The most descriptors that are sent with one message, or taken from one.
pub const MOST: usize = 64;

/// Room for a control message with so many descriptors, aligned as its header.
#[repr(C)]
struct Control([u64; 2 + MOST / 2]);

/// A message that has arrived.
pub struct Received {
    /// How many bytes of it there are in the buffer.
    pub bytes: usize,
    /// The descriptors that came with it.
    pub files: Vec<OwnedFd>,
    /// False if it had more bytes or descriptors than there was room for.
    pub is_whole: bool,
}

fn message_of(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: `msghdr` has only integers and pointers, for which all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = mem::size_of_val(&control.0) as _;
    message
}

/// Sends `text` with up to [`MOST`] descriptors, as one message. No signal is raised if nobody receives it any more.
pub fn send(socket: BorrowedFd<'_>, text: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    if files.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut part = libc::iovec {
        iov_base: text.as_ptr().cast_mut().cast(),
        iov_len: text.len(),
    };
    let mut control = Control([0; 2 + MOST / 2]);
    let mut message = message_of(&mut part, &mut control);
    let bytes = mem::size_of_val(files) as u32;
    match files.is_empty() {
        true => message.msg_controllen = 0,
        // SAFETY: the control buffer has room for a header with these descriptors, and is aligned as a header.
        false => unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
            let places = libc::CMSG_DATA(header).cast::<i32>();
            for (number, file) in files.iter().enumerate() {
                places.add(number).write_unaligned(file.as_raw_fd());
            }
            message.msg_controllen = libc::CMSG_SPACE(bytes) as _;
        },
    }
    // SAFETY: the message and everything that it points to live during the call.
    let send = || unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
    match uninterrupted(send) {
        sent if sent == text.len() as isize => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Receives a message into `buffer`. `flags`: as recvmsg(2) takes them.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], flags: i32) -> io::Result<Received> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut control = Control([0; 2 + MOST / 2]);
    let mut message = message_of(&mut part, &mut control);
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message and everything that it points to live during the call.
    let got =
        uninterrupted(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) });
    let Ok(bytes) = usize::try_from(got) else {
        return Err(io::Error::last_os_error());
    };
    Ok(Received {
        bytes,
        files: files_of(&message),
        is_whole: message.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) == 0,
    })
}

/// The descriptors that have come with a message, each owned.
fn files_of(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut files = Vec::new();
    // SAFETY: the kernel has written the control messages of `message`, and their lengths; the descriptors have no other owner.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(about) = header.as_ref() {
            if (about.cmsg_level, about.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                #[allow(clippy::unnecessary_cast)] // with musl it is an u32
                let bytes = about.cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(header).cast::<i32>();
                for number in 0..bytes / size_of::<i32>() {
                    files.push(OwnedFd::from_raw_fd(data.add(number).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    files
}
