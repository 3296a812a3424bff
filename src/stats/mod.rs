//! The stats of this process: [`collect`] adds up what its contexts have counted, [`publish`] writes the sums to the stats
//! page that the tool reads.

mod collect;
pub mod publish;
