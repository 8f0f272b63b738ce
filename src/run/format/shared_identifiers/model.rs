//! The oracle: random audiences, and what a plain reading of the rules makes of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use crate::pipeline::settings::{Duplicates, PrimaryKey, SharedIdentifiers};

/// Parameters of a random audience and its run.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) rows: usize,
    /// How many people's identifiers there are: the fewer, the more rows share.
    pub(super) people: usize,
    pub(super) files: usize,
    /// One cell of so many is blank.
    pub(super) blank: usize,
    /// The identifiers that are mapped, in the order of the source's columns.
    pub(super) columns: Vec<PrimaryKey>,
    pub(super) primary_key: usize,
    pub(super) duplicates: Duplicates,
    pub(super) shared: SharedIdentifiers,
    pub(super) memory_bytes: u64,
    pub(super) workers: usize,
    pub(super) block_bytes: usize,
    pub(super) limit: Option<u64>,
}

impl Case {
    pub(super) fn primary_key(&self) -> PrimaryKey {
        self.columns[self.primary_key % self.columns.len()]
    }
}

/// A row as the rules see it: its identifiers by kind, normalised.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelRow {
    pub(super) file: usize,
    pub(super) record: usize,
    pub(super) is_ragged: bool,
    pub(super) identifiers: [Option<String>; 3],
    pub(super) tag: String,
}

/// Outcome of a run, as it is or as it ought to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) parts: String,
    pub(super) conflicts: Vec<String>,
    /// Sorted: rows that waited are rejected after the others.
    pub(super) rejects: Vec<String>,
    pub(super) read: usize,
    pub(super) written: usize,
    pub(super) rejected: usize,
    pub(super) duplicates: usize,
    pub(super) external_id_only: usize,
    pub(super) shared: BTreeMap<&'static str, u64>,
    pub(super) repairs: BTreeMap<&'static str, u64>,
}

impl Made {
    /// The first difference of two outcomes, without all of their rows.
    pub(super) fn difference(&self, expected: &Self) -> Option<String> {
        let lines = |of: &Made| -> Vec<String> {
            let parts = of.parts.lines().map(str::to_owned);
            let conflicts = of.conflicts.iter().map(|line| format!("conflict {line}"));
            let rejects = of.rejects.iter().map(|line| format!("reject {line}"));
            parts.chain(conflicts).chain(rejects).collect()
        };
        let (left, right) = (lines(self), lines(expected));
        let pairs = left.iter().map(Some).chain(std::iter::repeat(None));
        let pairs = pairs.zip(right.iter().map(Some).chain(std::iter::repeat(None)));
        let first = pairs
            .take(left.len().max(right.len()))
            .find(|(left, right)| left != right);
        match first {
            Some((made, expected)) => Some(format!("made {made:?}, expected {expected:?}")),
            None if self == expected => None,
            None => Some(format!(
                "made {:?} {:?} {:?}, expected {:?} {:?} {:?}",
                self.shared,
                self.repairs,
                self.external_id_only,
                expected.shared,
                expected.repairs,
                expected.external_id_only
            )),
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

/// The files of a case, and the same rows as the rules see them.
pub(super) fn audience(case: &Case) -> (Vec<String>, Vec<ModelRow>) {
    let mut random = Random(case.seed);
    let header: Vec<&str> = case.columns.iter().map(|kind| kind.name()).collect();
    let header = format!("{},tag\n", header.join(","));
    let mut files = vec![header; case.files];
    let mut model = Vec::new();
    for row in 0..case.rows {
        let file = row * case.files / case.rows;
        let record = model
            .iter()
            .filter(|before: &&ModelRow| before.file == file)
            .count()
            + 1;
        let tag = format!("t{row}");
        let mut own = ModelRow {
            file,
            record,
            tag: tag.clone(),
            is_ragged: random.below(40) == 0,
            ..ModelRow::default()
        };
        let mut cells = Vec::new();
        for kind in &case.columns {
            if random.below(case.blank) == 0 {
                cells.push(String::new());
                continue;
            }
            let person = random.below(case.people);
            let (cell, value) = match (kind, random.below(2)) {
                (PrimaryKey::Email, 0) => (format!("P{person}@X.co"), format!("p{person}@x.co")),
                (PrimaryKey::Email, _) => (format!("p{person}@x.co"), format!("p{person}@x.co")),
                (PrimaryKey::PhoneNumber, 0) => {
                    let number = format!("+1650253{person:04}");
                    (format!(" {number} "), number)
                }
                (PrimaryKey::PhoneNumber, _) => {
                    let number = format!("650 253-{person:04}");
                    (number, format!("+1650253{person:04}"))
                }
                (PrimaryKey::ExternalId, _) => {
                    let id = format!("\"\"{person},x");
                    (format!("\"{id}\""), id)
                }
            };
            own.identifiers[*kind as usize] = Some(value);
            cells.push(cell);
        }
        let surplus = if own.is_ragged { ",surplus" } else { "" };
        writeln!(files[file], "{},{tag}{surplus}", cells.join(",")).unwrap();
        model.push(own);
    }
    (files, model)
}

/// The kind and the value of a row's key.
fn key_of(row: &ModelRow, primary: PrimaryKey) -> Option<(PrimaryKey, String)> {
    [primary]
        .into_iter()
        .chain(PrimaryKey::BEST_FIRST)
        .find_map(|kind| Some((kind, row.identifiers[kind as usize].clone()?)))
}

/// The rules, read plainly.
pub(super) fn expected(case: &Case, model: &[ModelRow]) -> Made {
    let mut made = Made::default();
    let primary = case.primary_key();
    let limit = case
        .limit
        .map_or(usize::MAX, |rows| usize::try_from(rows).unwrap());
    let mut valid = Vec::new();
    for row in model.iter().take(limit) {
        made.read += 1;
        let key = key_of(row, primary);
        match key {
            Some(key) if !row.is_ragged => valid.push((key, row)),
            _ => {
                let reason = if row.is_ragged {
                    "ragged-row"
                } else {
                    "no-identifier"
                };
                made.rejects.push(rejected(row, reason));
            }
        }
    }
    let mut seen = HashSet::new();
    if case.duplicates == Duplicates::Last {
        valid.reverse();
    }
    let before = valid.len();
    valid.retain(|(key, _)| seen.insert(key.clone()));
    made.duplicates = before - valid.len();
    if case.duplicates == Duplicates::Last {
        valid.reverse();
    }
    let mut owners: HashMap<(PrimaryKey, &str), &ModelRow> = HashMap::new();
    for (_, row) in valid {
        settle(case, row, &mut owners, &mut made);
    }
    made.rejects.sort();
    made.rejected = made.rejects.len();
    made
}

fn settle<'m>(
    case: &Case,
    row: &'m ModelRow,
    owners: &mut HashMap<(PrimaryKey, &'m str), &'m ModelRow>,
    made: &mut Made,
) {
    let own: Vec<(PrimaryKey, &str)> = PrimaryKey::BEST_FIRST
        .into_iter()
        .filter_map(|kind| Some((kind, row.identifiers[kind as usize].as_deref()?)))
        .collect();
    let shared: Vec<PrimaryKey> = own
        .iter()
        .filter(|it| owners.contains_key(*it))
        .map(|(kind, _)| *kind)
        .collect();
    for it in own.iter().filter(|(kind, _)| shared.contains(kind)) {
        let first = owners[it];
        let code = it.0.shared_code().code();
        made.conflicts.push(format!(
            "{}.csv,{},{}.csv,{},{},{code}",
            row.file,
            row.record,
            first.file,
            first.record,
            it.0.name()
        ));
        *made.shared.entry(code).or_default() += 1;
    }
    let is_rejected = match case.shared {
        SharedIdentifiers::Reject => !shared.is_empty(),
        SharedIdentifiers::Blank => shared.len() == own.len(),
        SharedIdentifiers::Report | SharedIdentifiers::Fail => false,
    };
    if is_rejected {
        made.rejects.push(rejected(row, "shared-identifier"));
        return;
    }
    for it in own.iter().filter(|(kind, _)| !shared.contains(kind)) {
        owners.insert(*it, row);
    }
    let is_blanking = case.shared == SharedIdentifiers::Blank;
    let left = |kind: PrimaryKey| {
        let value = row.identifiers[kind as usize].as_deref();
        value.filter(|_| !(is_blanking && shared.contains(&kind)))
    };
    for kind in PrimaryKey::BEST_FIRST {
        if case.columns.contains(&kind) {
            // The model's ids are written with their quotes doubled already.
            write!(made.parts, "\"{}\",", left(kind).unwrap_or_default()).unwrap();
        }
        if is_blanking && shared.contains(&kind) {
            *made.repairs.entry(kind.shared_code().code()).or_default() += 1;
        }
    }
    writeln!(made.parts, "{}", row.tag).unwrap();
    made.written += 1;
    let others = [PrimaryKey::Email, PrimaryKey::PhoneNumber];
    made.external_id_only += usize::from(others.iter().all(|kind| left(*kind).is_none()));
}

fn rejected(row: &ModelRow, reason: &str) -> String {
    format!("{},{reason},{}.csv,{}", row.tag, row.file, row.record)
}
