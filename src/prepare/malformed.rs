//! PURE. What is wrong with a text that has no records, or is no JSON: its syntax comes before its shape.

use super::places::Around;
use super::{Prepared, Reader};
use crate::decode::Mode;
use crate::document::Watch;
use crate::document::text::{Text, utf8};
use crate::error::{Fault, LoadError};

/// Whether the syntax of the whole document decides what is wrong: it comes before shapes.
pub fn may_be_malformed(error: &LoadError) -> bool {
    let shape = matches!(
        error.fault,
        Fault::Malformed(_)
            | Fault::UnknownShape(_)
            | Fault::NoRecords(_)
            | Fault::SourceError(_)
            | Fault::NullCharacter
            | Fault::LoneSurrogate
    );
    error.ordinal.is_none() && shape
}

/// Several documents, if that is what the text is; else its first mistake, or the error that was found before.
pub fn again<'a>(
    reader: &impl Reader<'a>,
    around: Around<'a>,
    error: LoadError,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let bytes = around.text;
    let start = around.start.unwrap_or_default();
    let located = |fault: Fault| LoadError::document(fault.located_behind(bytes, start));
    let text = utf8(bytes).map_err(located)?;
    let several = match error.fault {
        Fault::Malformed(_) => Text::several(text, watch),
        _ => None,
    };
    let error = match several.map(|documents| reader.find(documents, watch)) {
        None => error,
        Some(found) => {
            let prepared = found.and_then(|found| reader.prepare(found, &|| around, mode, watch));
            match prepared {
                Err(error) if may_be_malformed(&error) => error,
                prepared => return prepared,
            }
        }
    };
    Text::mistake(text, watch).map_err(located)?;
    Err(LoadError { fault: error.fault.located_behind(bytes, start), ..error })
}
