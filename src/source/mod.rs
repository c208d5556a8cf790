//! PURE. The shapes of each source's records, and how they become rows.

pub mod imslp;
pub mod open_opus;
