//! What C sees.
