//! Whether an object of the host is this process's alone.
//!
//! A program may give libcrypto an allocator of its own (CRYPTO_set_mem_functions(3)), and kamailio gives it one whose memory all
//! its processes share: a context that one of them frees and makes anew is then another one in all of them. What is known of
//! an object by its address is only known in this process.

use core::ptr;

use super::table::Libssl;
use super::types::SSL_CTX;
use crate::sys::guard::attempt;
use crate::sys::memory_map::is_private;

impl Libssl {
    /// True if no other process can change or free the context. Where libcrypto allocates by the C library, that is not looked up.
    pub fn is_own(&self, ctx: *mut SSL_CTX) -> bool {
        let (mut malloc, mut realloc, mut free) = (None, None, None);
        // SAFETY: three places for the answers.
        unsafe { (self.CRYPTO_get_mem_functions)(&mut malloc, &mut realloc, &mut free) };
        let is_usual = malloc.is_some_and(|malloc| ptr::fn_addr_eq(malloc, self.CRYPTO_malloc));
        is_usual || attempt(|| is_private(ctx.addr())) == Some(true)
    }
}
