//! PURE, tests only: messages made at random. What was put is what comes out; what has been changed on its way, or never was
//! a message, is none, or one whose parts lie within it. Nothing panics, and nothing asks for more memory than the bytes
//! stand for: a length that is beyond them would be more than there is.

use super::*;
use crate::pg::error::ServerError;
use crate::random::{Random, for_seeds};
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Absent, Sink};
use crate::rows::Forming;
use crate::tuple::{Tuples, as_utf8};

const ROUNDS: u64 = 20_000;

impl Random {
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.below(256) as u8).collect()
    }

    fn number(&mut self) -> u32 {
        let bits = self.below(33);
        (self.below(1 << 32) as u64 >> bits) as u32
    }

    fn short_text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes(6)).into_owned()
    }

    fn put(&mut self, sink: &mut impl Sink) {
        let text = self.short_text();
        sink.uuid([7; 16]);
        sink.text((!self.one_in(3)).then_some(&*text));
        sink.int4((!self.one_in(3)).then_some(self.number() as i32));
        sink.text(self.one_in(9).then_some(&*text.repeat(50)));
    }

    fn slice(&mut self) -> Slice<'static> {
        let mut forming = Forming::new(3, as_utf8);
        for _ in 0..self.below(5) {
            self.put(&mut forming.former);
            let absent = Absent((0..self.below(3)).map(|place| place as u16).collect());
            let (parent, key) = (self.bytes(4), self.bytes(9));
            forming
                .finish(self.number(), absent, |_, _, keys| {
                    keys.extend([&parent[..], &key[..]].concat());
                    Ok(parent.len())
                })
                .unwrap();
        }
        forming.into_slice()
    }

    fn formed(&mut self) -> Formed {
        let mut tuples = Tuples::new(as_utf8);
        (0..self.below(4)).for_each(|_| assert!(tuples.add(|former| self.put(former))));
        tuples.formed()
    }

    fn error(&mut self) -> ServerError {
        let (message, context) = (self.bytes(9), Some(self.bytes(9)));
        ServerError { code: self.number() as i32, message, context, ..ServerError::default() }
    }

    fn message(&mut self) -> ToSession<'static> {
        match self.below(15) {
            0 => ToSession::Start(Box::new(self.start())),
            1 => {
                let relation = |_| Relation { oid: self.number(), written: self.one_in(2) };
                ToSession::Lock((0..3).map(relation).collect())
            }
            2 => ToSession::Proceed,
            3 => ToSession::Composers(self.slice()),
            4 => ToSession::Parents((0..self.below(4)).map(|_| self.short_text()).collect()),
            5 => ToSession::Finish,
            6 => ToSession::Rejects((0..self.below(3)).map(|_| self.formed()).collect()),
            7 => ToSession::Prepare(self.one_in(2).then(|| self.short_text())),
            8 => ToSession::Commit,
            9 => ToSession::Rollback,
            _ => {
                let known = self.pick(&[Known::New, Known::Changed, Known::Nothing, Known::Hidden]);
                ToSession::Rows { known, rows: self.slice() }
            }
        }
    }

    fn start(&mut self) -> Start {
        Start {
            identity: Identity::default(),
            query: self.bytes(9),
            load_id: Uuid::from_u128(self.number().into()),
            resource: self.pick(&[None, Some(Resource::Composers), Some(Resource::Works)]),
            kind: self.short_text(),
            on_conflict: OnConflict::Update,
            on_error: OnError::Ignore,
            oid: self.number(),
            table: if self.one_in(2) { Table::of::<Work>() } else { Table::of::<Composer>() },
            rows: self.number() as usize,
            sessions: 1 + self.below(9),
        }
    }

    fn answer(&mut self) -> FromSession {
        let ordinal = self.number();
        match self.below(12) {
            0 => FromSession::Locked(self.one_in(2)),
            1 => FromSession::Notice((self.below(21) as i32, self.error())),
            2 => FromSession::Refused { ordinal, error: self.error() },
            3 => FromSession::UnknownComposer { ordinal, key: self.short_text() },
            4 => {
                let text = |text: String| text.into_boxed_str();
                let (noun, key) = (text(self.short_text()), text(self.short_text()));
                let (there, found) = (self.one_in(2).then_some(-1), self.number().into());
                let another = Another { noun, key, column: "id".into(), there, found };
                FromSession::Another { ordinal, another: Box::new(another) }
            }
            5 => FromSession::Written { rows: ordinal.into(), excluded: self.number().into() },
            6 => FromSession::Done(Done {
                counts: Counts { inserted: ordinal.into(), ..Counts::default() },
                transaction: u64::MAX - u64::from(ordinal),
                foreign_key_check: self.short_text(),
                method: Method::Insert(self.short_text()),
            }),
            7 => FromSession::Stored,
            8 => FromSession::Prepared,
            9 => FromSession::Committed,
            10 => FromSession::Failed(self.error()),
            _ => FromSession::Unwritable(self.error()),
        }
    }

    /// Bytes changed, cut, repeated, or in the place of a number the largest one.
    fn damaged(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                2 => {
                    let largest = self.pick(&[&[0xFF; 9][..], &[0xFF; 4], &[0x80; 3], &[0xFF; 2]]);
                    bytes.splice(at..at, largest.iter().copied().chain([1]));
                }
                3 => bytes.extend_from_within(at..),
                _ if at == bytes.len() => bytes.extend(self.bytes(20)),
                4 => bytes[at] ^= 1 << self.below(8),
                _ => bytes[at] = self.pick(&[0, 1, 0x7F, 0x80, 0xFF]),
            }
        }
        bytes
    }
}

/// Everything that a session does with the rows of a message before it looks at their columns.
fn read(bytes: &[u8]) {
    match from_bytes(bytes) {
        Some(ToSession::Composers(slice) | ToSession::Rows { rows: slice, .. }) => {
            read_slice(&slice);
            let own = slice.into_owned();
            read_slice(&own);
            assert!(own.bytes() < 40 * bytes.len() + 200, "{} of {}", own.bytes(), bytes.len());
        }
        Some(ToSession::Rejects(rejects)) => {
            rejects
                .iter()
                .flat_map(Formed::iter)
                .for_each(|tuple| _ = crate::tuple::columns(tuple));
        }
        _ => {}
    }
    if let Some(FromSession::Notice((level, _))) = from_bytes(bytes) {
        assert!(level < 21, "{level} is no notice");
    }
}

fn read_slice(slice: &Slice<'_>) {
    for row in 0..slice.len() as u32 {
        let _ = crate::tuple::columns(slice.tuple(row));
        let _ = (slice.parent(row), slice.key(row), slice.absent(row));
    }
    assert!(slice.absents().count() <= slice.len() && slice.ordinals().count() == slice.len());
}

#[test]
fn messages_come_as_they_were_sent() {
    for_seeds(ROUNDS, |random| {
        let sent = to_bytes(&random.message());
        let received: ToSession<'_> = from_bytes(&sent).unwrap();
        assert_eq!(to_bytes(&received), sent);
        // A message, and more behind it.
        assert!(from_bytes::<ToSession<'_>>(&[&sent[..], &[0]].concat()).is_none());
        let sent = to_bytes(&random.answer());
        let received: FromSession = from_bytes(&sent).unwrap();
        assert_eq!(to_bytes(&received), sent);
    });
}

#[test]
fn damaged_messages_are_no_more_than_refused() {
    for_seeds(ROUNDS, |random| {
        let sound = match random.below(3) {
            0 => to_bytes(&random.answer()),
            _ => to_bytes(&random.message()),
        };
        read(&random.damaged(sound));
        read(&random.bytes(60));
    });
}
