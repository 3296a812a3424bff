//! The figures of this process: collected from its contexts, and published in the page that the tool reads.

mod collect;
pub mod publish;
