//! The arguments of a load, checked.

use serde::{Deserialize, Serialize};

use crate::error::excerpt;
use crate::report::Failure;

/// What happens to a record whose key the table has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnConflict {
    Update,
    Skip,
    Error,
}

/// What happens to a bad record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    Stop,
    Ignore,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub on_conflict: OnConflict,
    pub on_error: OnError,
    /// The most records that may be set aside.
    pub reject_limit: Option<u64>,
    /// The most parallel sessions the caller wants; none where the setting decides.
    pub workers: Option<u32>,
    pub create_composers: bool,
}

impl Options {
    pub fn new(
        on_conflict: Option<&str>,
        on_error: Option<&str>,
        reject_limit: Option<i64>,
        workers: Option<i32>,
        create_composers: Option<bool>,
    ) -> Result<Self, Failure> {
        let on_conflict = one_of(
            "on_conflict",
            on_conflict,
            &[
                ("update", OnConflict::Update),
                ("skip", OnConflict::Skip),
                ("error", OnConflict::Error),
            ],
        )?;
        let on_error =
            one_of("on_error", on_error, &[("stop", OnError::Stop), ("ignore", OnError::Ignore)])?;
        let reject_limit = reject_limit
            .map(|limit| {
                u64::try_from(limit).ok().filter(|&limit| limit > 0).ok_or_else(|| {
                    Failure::argument(
                        "reject_limit",
                        &format!("must be greater than zero, not {limit}"),
                    )
                })
            })
            .transpose()?;
        if reject_limit.is_some() && on_error == OnError::Stop {
            return Err(Failure::argument("reject_limit", "needs on_error => 'ignore'"));
        }
        let workers = workers
            .map(|workers| {
                u32::try_from(workers).map_err(|_| {
                    Failure::argument("workers", &format!("must not be negative, but is {workers}"))
                })
            })
            .transpose()?;
        let create_composers = create_composers
            .ok_or_else(|| Failure::argument("create_composers", "must not be null"))?;
        Ok(Options { on_conflict, on_error, reject_limit, workers, create_composers })
    }
}

fn one_of<T: Copy>(
    argument: &'static str,
    value: Option<&str>,
    choices: &[(&str, T)],
) -> Result<T, Failure> {
    let names: Vec<_> = choices.iter().map(|(name, _)| format!("'{name}'")).collect();
    let Some(value) = value else { return Err(Failure::argument(argument, "must not be null")) };
    let chosen = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        Failure::argument(
            argument,
            &format!("must be one of {}, not '{}'", names.join(", "), excerpt(value)),
        )
    })
}
