//! PURE. The values of a record's columns, in one walk over it.
//!
//! The paths of all columns are one tree, so that each object on the way is split into its members once. What the walk
//! hands out, and only that, is left unchecked: whoever decodes a value, or puts it aside as it is, reads or checks all of
//! it. So a record of which the walk and all decoders say nothing is JSON from end to end. Where a decoder refuses a
//! value, something behind it may still be no JSON; who has to say which of the two is wrong asks [`Value::check`] of the
//! whole record first.
//!
//! A record is an object. Only a mapping all of whose paths are `$` or begin with `[n]` takes other values too.
//!
//! `others` is about the members of the record itself: a member of which a column takes any part is taken. `$`, and a path
//! that begins with `[n]`, takes none of them.

use std::borrow::Cow;
use std::ops::Range;

use super::path::{Path, Step};
use super::resolve::{Resolved, Source, Untaken};
use crate::document::{Kind, Value, Watch, push};
use crate::error::{Fault, quoted};

/// A mapping, made ready for records.
#[derive(Debug, PartialEq)]
pub struct Program {
    root: Node,
    /// For each column that is written, the numbers of its paths.
    columns: Vec<Range<usize>>,
    /// By number: a path without its `$`, such as `.a[0]`; empty for the whole record.
    paths: Vec<String>,
    untaken: Untaken,
    needs_object: bool,
    /// Whether a column has several paths, of which a walk may find more than the first.
    has_choices: bool,
}

/// What is taken from a value, and from what is in it.
#[derive(Debug, Default, PartialEq)]
struct Node {
    /// The number of the path that ends here.
    takes: Option<usize>,
    /// In jsonb's order of keys.
    members: Vec<(String, Node)>,
    /// By their numbers.
    elements: Vec<(u32, Node)>,
}

/// What a walk has found in a record. To be used for one record after another.
pub struct Taken<'a, V> {
    /// By the number of the path.
    values: Vec<Option<V>>,
    /// The numbers of paths that lead to more than one value.
    several: Vec<usize>,
    others: Vec<(Cow<'a, str>, V)>,
}

/// What is wrong with a record, and at which place in it: empty, or as in `.a[0]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit<'p> {
    pub path: &'p str,
    pub fault: Fault,
}

impl<'a, V: Value<'a>> Taken<'a, V> {
    /// The members that no column takes, in jsonb's order of keys: for the column that takes these.
    pub fn others(&self) -> &[(Cow<'a, str>, V)] {
        &self.others
    }
}

/// jsonb's order of keys.
fn order(key: &str) -> (usize, &str) {
    (key.len(), key)
}

impl Node {
    fn add(&mut self, steps: &[Step], number: Option<usize>) {
        let Some((step, rest)) = steps.split_first() else {
            self.takes = number;
            return;
        };
        let child = match step {
            Step::Member(name) => {
                let place =
                    self.members.binary_search_by(|(known, _)| order(known).cmp(&order(name)));
                let place = place.unwrap_or_else(|place| {
                    self.members.insert(place, (name.clone(), Node::default()));
                    place
                });
                &mut self.members[place].1
            }
            Step::Element(index) => {
                let place = self.elements.binary_search_by_key(index, |(known, _)| *known);
                let place = place.unwrap_or_else(|place| {
                    self.elements.insert(place, (*index, Node::default()));
                    place
                });
                &mut self.elements[place].1
            }
        };
        child.add(rest, number);
    }

    fn is_leaf(&self) -> bool {
        self.members.is_empty() && self.elements.is_empty()
    }

    /// What is taken from a value as from an array of it alone.
    fn wrapped(&self) -> Option<&Node> {
        self.elements.first().filter(|(index, _)| *index == 0).map(|(_, node)| node)
    }
}

impl Program {
    /// For the columns of a mapping of paths; those of fields and of other members have no paths.
    pub fn new(resolved: &Resolved) -> Program {
        let mut root = Node::default();
        let mut paths = vec![];
        let mut columns = vec![];
        for written in &resolved.written {
            let first = paths.len();
            let of_column: &[Path] = match &written.source {
                Source::Paths(paths) => paths,
                Source::Field(_) | Source::Others => &[],
            };
            for path in of_column {
                root.add(&path.steps, Some(paths.len()));
                paths.push(path.within());
            }
            columns.push(first..paths.len());
        }
        let reads_members = !root.members.is_empty();
        let reads_nothing = root.is_leaf() && root.takes.is_none();
        for name in &resolved.passed_over {
            root.add(&[Step::Member(name.clone())], None);
        }
        let needs_object = reads_members || reads_nothing;
        let has_choices = columns.iter().any(|numbers| numbers.len() > 1);
        Program { root, columns, paths, untaken: resolved.untaken, needs_object, has_choices }
    }

    /// Room for what is found in a record.
    pub fn taken<'a, V: Value<'a>>(&self) -> Taken<'a, V> {
        Taken { values: vec![None; self.paths.len()], several: vec![], others: vec![] }
    }

    /// Finds the values of a record.
    pub fn walk<'a, V: Value<'a>>(
        &self,
        record: V,
        taken: &mut Taken<'a, V>,
        watch: &Watch,
    ) -> Result<(), Misfit<'_>> {
        taken.values.fill(None);
        taken.several.clear();
        taken.others.clear();
        let mut walk = Walk { program: self, taken, watch, unexpected: None };
        walk.record(record)?;
        if let Some(name) = walk.unexpected {
            return Err(in_record(Fault::UnexpectedMember(quoted(&name).into())));
        }
        self.choose(taken)
    }

    /// Leaves each column the value of the first path that is there, which must be one. Nobody reads the others.
    fn choose<'a, V: Value<'a>>(&self, taken: &mut Taken<'a, V>) -> Result<(), Misfit<'_>> {
        if !self.has_choices && taken.several.is_empty() {
            return Ok(());
        }
        for numbers in &self.columns {
            let mut there = numbers.clone().filter(|number| taken.values[*number].is_some());
            let Some(first) = there.next() else { continue };
            if taken.several.contains(&first) {
                return Err(Misfit { path: &self.paths[first], fault: Fault::SeveralValues });
            }
            there.filter_map(|number| taken.values[number]).try_for_each(|value| value.check())?;
        }
        Ok(())
    }

    /// The value of a column, by its place in [`Resolved::written`]; `None` where it is absent.
    pub fn value<'a, V: Value<'a>>(&self, taken: &Taken<'a, V>, column: usize) -> Option<V> {
        self.numbers(column).find_map(|number| taken.values[number])
    }

    /// The path in the record at which the column's value was found, without its `$`; where it is absent, the first at
    /// which it was looked for.
    pub fn place<'a, V: Value<'a>>(&self, taken: &Taken<'a, V>, column: usize) -> &str {
        let mut numbers = self.numbers(column);
        let there = numbers.clone().find(|number| taken.values[*number].is_some());
        there.or(numbers.next()).map_or("", |number| &self.paths[number])
    }

    fn numbers(&self, column: usize) -> Range<usize> {
        self.columns.get(column).cloned().unwrap_or_default()
    }
}

fn in_record<'p>(fault: Fault) -> Misfit<'p> {
    Misfit { path: "", fault }
}

impl From<Fault> for Misfit<'_> {
    fn from(fault: Fault) -> Self {
        in_record(fault)
    }
}

struct Walk<'p, 't, 'a, V> {
    program: &'p Program,
    taken: &'t mut Taken<'a, V>,
    watch: &'t Watch,
    /// The first member that should not be there.
    unexpected: Option<Cow<'a, str>>,
}

impl<'p, 'a, V: Value<'a>> Walk<'p, '_, 'a, V> {
    fn record(&mut self, record: V) -> Result<(), Misfit<'p>> {
        let root = &self.program.root;
        let kind = record.kind()?;
        if kind != Kind::Object && self.program.needs_object {
            record.check()?;
            return Err(in_record(Fault::NotAnObject(kind)));
        }
        if kind != Kind::Object || self.program.untaken == Untaken::Ignore {
            return self.value(root, record, false);
        }
        let whole = self.take(root, record)?;
        if let Some(node) = root.wrapped() {
            self.value(node, record, true)?;
        }
        self.object(root, record, whole, true)
    }

    /// Takes what a node takes from a value and what is in it. `handed` if it is part of a value that has been handed out.
    fn value(&mut self, node: &'p Node, value: V, handed: bool) -> Result<(), Misfit<'p>> {
        let handed = self.take(node, value)? || handed;
        if node.is_leaf() {
            return self.leave(value, handed);
        }
        match value.kind()? {
            Kind::Array => return self.array(node, value, handed),
            Kind::Object if node.members.is_empty() => self.leave(value, handed)?,
            Kind::Object => self.object(node, value, handed, false)?,
            _ => self.leave(value, handed)?,
        }
        match node.wrapped() {
            Some(node) => self.value(node, value, true),
            None => Ok(()),
        }
    }

    fn array(&mut self, node: &'p Node, value: V, handed: bool) -> Result<(), Misfit<'p>> {
        let mut wanted = node.elements.iter().peekable();
        for (index, element) in (0..).zip(value.elements()?) {
            let element = element?;
            let nobody_else = handed && wanted.peek().is_none() && node.members.is_empty();
            if nobody_else {
                break;
            }
            let mut read = false;
            if let Some((_, child)) = wanted.next_if(|(number, _)| *number == index) {
                self.value(child, element, handed)?;
                read = true;
            }
            if !node.members.is_empty() && element.kind()? == Kind::Object {
                self.object(node, element, handed, false)?;
                read = true;
            }
            if !read {
                self.leave(element, handed)?;
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        node: &'p Node,
        value: V,
        handed: bool,
        is_record: bool,
    ) -> Result<(), Misfit<'p>> {
        let mut wanted = node.members.iter().peekable();
        for (key, member) in value.members(self.watch)? {
            while wanted.next_if(|(name, _)| order(name) < order(&key)).is_some() {}
            match wanted.next_if(|(name, _)| *name == key) {
                Some((_, child)) => self.value(child, member, handed)?,
                None if !is_record => self.leave(member, handed)?,
                None if self.program.untaken == Untaken::Keep => {
                    push(&mut self.taken.others, (key, member))?;
                }
                None => {
                    self.leave(member, handed)?;
                    self.unexpected.get_or_insert(key);
                }
            }
        }
        Ok(())
    }

    /// Whether the node takes the value.
    fn take(&mut self, node: &'p Node, value: V) -> Result<bool, Misfit<'p>> {
        let Some(number) = node.takes else { return Ok(false) };
        if let Some(other) = self.taken.values[number].replace(value) {
            other.check()?;
            self.taken.several.push(number);
        }
        Ok(true)
    }

    /// A value of which nothing is taken.
    fn leave(&self, value: V, handed: bool) -> Result<(), Misfit<'p>> {
        if !handed {
            value.check()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
