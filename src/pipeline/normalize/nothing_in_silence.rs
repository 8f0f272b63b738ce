//! Random rows: a cell that differs from its source after trimming is counted as a repair, or its row as a rejection, and
//! nothing is counted that did not change.

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::base::environment::Environment;
    use crate::job::Job;
    use crate::job::file::JobFile;
    use crate::pipeline::normalize::cell::takes_no_room;
    use crate::pipeline::normalize::{Mapping, Normalizer};
    use crate::source::audience::Audience;
    use crate::state::codes::RepairCode;

    const JOB: &str = "name = \"x\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nid = \"ExternalID\"\n\
    note = \"Note\"\n[normalize]\ndefault-region = \"US\"\nnull-values = [\"NULL\", \"\\\\N\", \"#N/A\"]\n";

    /// The columns in the order of the source and of the mapping.
    const COLUMNS: [&str; 4] = ["email", "phone", "id", "note"];

    /// Pieces of cells.
    const PIECES: [&str; 40] = [
        "",
        " ",
        "\u{a0}",
        "\u{200b}",
        "\u{feff}",
        "'",
        "=\"",
        "\"",
        "\n",
        "\r\n",
        "\t",
        "\u{1}",
        "\u{85}",
        ",",
        ";",
        "é",
        "😀",
        "12",
        "+16502530000",
        "(650) 253-0000",
        "ann@example.com",
        "Bob@Example.com",
        "jürgen@example.com",
        "ann@müller.example",
        "<",
        ">",
        "@",
        "\\N",
        "NULL",
        "#N/A",
        "1.5E+11",
        ".0",
        "x",
        "0",
        "Ann ",
        "=1+1",
        "/",
        "tel. ",
        "mailto:",
        "123.0",
    ];

    /// A row that is sent: its record, and its cells.
    type SentRow = (u32, Vec<String>);

    /// The rows of `records`, and the repairs by record and column.
    fn normalized(records: &[[String; 4]]) -> (Vec<SentRow>, Vec<(u32, usize, RepairCode)>) {
        let file = JobFile::parse(JOB).unwrap();
        let job = Job::from_file(file, std::path::Path::new(""), &Environment::default()).unwrap();
        let mut csv = format!("{}\n", COLUMNS.join(","));
        for record in records {
            let cells = record
                .each_ref()
                .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
            csv += &(cells.join(",") + "\n");
        }
        let stream = Box::new(std::io::Cursor::new(csv.into_bytes()));
        let files = job.audience.files().unwrap();
        let audience = Audience::from_stream("a.csv".to_owned(), stream, files).unwrap();
        let mapping = Mapping::new(&job.columns, audience.sources()).unwrap();
        let sources = audience.shared_sources();
        let mut normalizer = Normalizer::new(&mapping, job.rules.clone());
        let (mut rows, mut repairs) = (Vec::new(), Vec::new());
        for block in audience.into_blocks() {
            let batch = normalizer.batch(&sources, &block.unwrap()).unwrap();
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(&batch.row_bytes[..]);
            for (row, cells) in batch.rows.iter().zip(reader.records()) {
                let cells = cells.unwrap();
                rows.push((row.record, cells.iter().map(str::to_owned).collect()));
            }
            repairs.extend(
                batch
                    .repairs
                    .iter()
                    .map(|it| (it.record, it.column, it.code)),
            );
            let nulls = batch.nulls.iter();
            repairs.extend(nulls.map(|it| (it.record, it.column as usize, RepairCode::NullValue)));
        }
        (rows, repairs)
    }

    /// The cell of column `index` as it is sent when nothing of it is repaired.
    fn as_it_is(cell: &str, index: usize) -> String {
        let is_around = |it: char| it.is_whitespace() || takes_no_room(it);
        let trimmed = cell.trim_matches(is_around);
        match index {
            0 => trimmed.to_ascii_lowercase(),
            1 => {
                let mut e164 = Vec::new();
                let region = crate::pipeline::normalize::country::Region::from_code("US");
                let _ = crate::pipeline::normalize::phone::normalize(
                    trimmed.as_bytes(),
                    region,
                    &mut e164,
                );
                String::from_utf8(e164).unwrap()
            }
            _ => trimmed.to_owned(),
        }
    }

    /// Whether the cell of a phone number has a value that is not sent.
    fn is_lost(cell: &str, sent: &str) -> bool {
        let is_around = |it: char| it.is_whitespace() || takes_no_room(it);
        sent.is_empty() && !cell.trim_matches(is_around).is_empty()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn what_differs_is_counted_and_nothing_else_is(
            records in prop::collection::vec(
                prop::array::uniform4(
                    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..4).prop_map(|it| it.concat()),
                ),
                1..6,
            )
        ) {
            let (rows, repairs) = normalized(&records);
            for (record, cells) in &rows {
                for (index, sent) in cells.iter().enumerate() {
                    let source = &records[*record as usize][index];
                    let differs = *sent != as_it_is(source, index) || (index == 1 && is_lost(source, sent));
                    let of_cell = |it: &&(u32, usize, RepairCode)| (it.0, it.1) == (*record, index);
                    let codes: Vec<_> = repairs.iter().filter(of_cell).map(|it| it.2).collect();
                    // A phone is written anew, so that a repair of its cell may give the number that is read without it.
                    let may_be_counted = index == 1 && !differs;
                    prop_assert!(
                        may_be_counted || differs != codes.is_empty(),
                        "{source:?} is sent as {sent:?}, {codes:?}"
                    );
                }
            }
            // A row that is not sent has no repairs: it is in rejects.csv, or blank.
            let is_sent = |record: u32| rows.iter().any(|row| row.0 == record);
            prop_assert!(repairs.iter().all(|repair| is_sent(repair.0)));
        }
    }
}
