//! PURE. How statements name a table.

/// A table as a statement names it.
#[derive(Clone, Debug)]
pub struct TableName {
    /// Quoted and qualified.
    pub name: Vec<u8>,
    /// An ordinary table, whose children are not part of it for an INSERT either.
    pub ordinary: bool,
}

impl TableName {
    /// For a FROM clause.
    pub(super) fn from(&self) -> Vec<u8> {
        let only: &[u8] = if self.ordinary { b"ONLY " } else { b"" };
        [only, &self.name].concat()
    }
}
