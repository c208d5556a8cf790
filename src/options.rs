//! The arguments of a load, checked.

use serde::{Deserialize, Serialize};

use crate::report::{BadArgument, Failure};
use crate::rows::order::Repeated;

/// What happens to a record whose key the table has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnConflict {
    Update,
    Skip,
    Error,
}

impl OnConflict {
    /// Which of several records with one key it keeps.
    pub fn repeated(self) -> Repeated {
        match self {
            OnConflict::Update => Repeated::LastWins,
            OnConflict::Skip | OnConflict::Error => Repeated::FirstWins,
        }
    }
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
                    Failure::argument("reject_limit", BadArgument::NotPositive(limit))
                })
            })
            .transpose()?;
        if reject_limit.is_some() && on_error == OnError::Stop {
            return Err(Failure::argument("reject_limit", BadArgument::WithoutIgnore));
        }
        let workers = workers
            .map(|workers| {
                u32::try_from(workers)
                    .map_err(|_| Failure::argument("workers", BadArgument::Negative(workers)))
            })
            .transpose()?;
        let create_composers = create_composers
            .ok_or_else(|| Failure::argument("create_composers", BadArgument::Null))?;
        Ok(Options { on_conflict, on_error, reject_limit, workers, create_composers })
    }
}

fn one_of<T: Copy>(
    argument: &'static str,
    value: Option<&str>,
    choices: &[(&str, T)],
) -> Result<T, Failure> {
    let Some(value) = value else { return Err(Failure::argument(argument, BadArgument::Null)) };
    let chosen = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("'{name}'")).collect();
        Failure::argument(argument, BadArgument::NoneOf { choices: &names, found: value })
    })
}
