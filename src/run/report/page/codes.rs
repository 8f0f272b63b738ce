//! Reasons of rejections, and changes of cells, by their number.

use maud::{Markup, html};

use super::super::RunReport;
use super::super::examples::{Examples, Places};
use super::bars::lying;
use super::document::shown;
use super::words;
use crate::base::text::{count, grouped};

/// One code.
struct CodeLine {
    code: &'static str,
    words: &'static str,
    number: u64,
}

/// A table of codes.
struct CodeTable<'a> {
    caption: String,
    unit: &'static str,
    class: &'static str,
    file: CodeFile<'a>,
    lines: Vec<CodeLine>,
}

/// The file of the run that names each row or cell of a table.
#[derive(Clone, Copy)]
struct CodeFile<'a> {
    name: &'a str,
    /// The first places of each code in it.
    places: &'a Places,
}

impl CodeFile<'_> {
    /// The first records of a code: `such as customers.csv record 7, 12, 15`. Records of one source stand together.
    fn examples(self, code: &str) -> Option<String> {
        let places = self.places.get(code)?;
        let mut words = "such as ".to_owned();
        let mut last: Option<&str> = None;
        for (source, record) in places {
            let begin = if last.is_some() { ", " } else { "" };
            words.push_str(begin);
            if last != Some(source) {
                words.push_str(source);
                words.push_str(" record ");
            }
            words.push_str(&grouped(*record));
            last = Some(source);
        }
        Some(words)
    }
}

/// The section about rejections and repairs.
pub(super) fn section(report: &RunReport, examples: &Examples) -> Markup {
    let tables: Vec<CodeTable<'_>> = tables(report, examples)
        .into_iter()
        .filter(|table| !table.lines.is_empty())
        .collect();
    html! {
        section aria-labelledby="codes" {
            h2 id="codes" { "Rejected and repaired" }
            @if tables.is_empty() {
                p { "No row was rejected, and no cell was changed." }
            } @else {
                div.side {
                    @for table in &tables { (table.draw()) }
                }
            }
        }
    }
}

fn tables<'a>(report: &RunReport, examples: &'a Examples) -> [CodeTable<'a>; 4] {
    let rejections = report.rejections.iter().map(|(reason, number)| CodeLine {
        code: reason.code(),
        words: words::rejection(*reason),
        number: *number,
    });
    let repairs = |blanks: bool| {
        let repairs = report.repairs.iter();
        let repairs = repairs.filter(move |(code, _)| code.blanks() == blanks);
        repairs.map(|(code, number)| CodeLine {
            code: code.code(),
            words: words::repair(*code),
            number: *number,
        })
    };
    let shared = report
        .shared_identifiers
        .iter()
        .map(|(code, number)| CodeLine {
            code: code.code(),
            words: words::repair(*code),
            number: *number,
        });
    let in_repairs = CodeFile {
        name: "repairs.csv",
        places: &examples.repairs,
    };
    let in_rejects = CodeFile {
        name: "rejects.csv",
        places: &examples.rejects,
    };
    let in_conflicts = CodeFile {
        name: "conflicts.csv",
        places: &examples.conflicts,
    };
    [
        CodeTable::new("row", "rejected", "fill rejected", in_rejects, rejections),
        CodeTable::new("cell", "blanked", "fill blanked", in_repairs, repairs(true)),
        CodeTable::new(
            "cell",
            "cleaned",
            "fill cleaned",
            in_repairs,
            repairs(false),
        ),
        CodeTable::new(
            "cell",
            "shared with an earlier row",
            "fill duplicate",
            in_conflicts,
            shared,
        ),
    ]
}

impl<'a> CodeTable<'a> {
    fn new(
        unit: &'static str,
        fate: &str,
        class: &'static str,
        file: CodeFile<'a>,
        lines: impl Iterator<Item = CodeLine>,
    ) -> Self {
        let mut lines: Vec<CodeLine> = lines.collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.number));
        let all = lines
            .iter()
            .fold(0, |sum: u64, line| sum.saturating_add(line.number));
        Self {
            caption: format!("{} {fate}", count(all, unit)),
            unit,
            class,
            file,
            lines,
        }
    }

    fn draw(&self) -> Markup {
        let most = self.lines.first().map_or(1, |line| line.number.max(1));
        html! {
            div {
                table.codes {
                    caption { (self.caption) }
                    thead {
                        tr {
                            th scope="col" { "Reason" }
                            th.number scope="col" { @if self.unit == "row" { "Rows" } @else { "Cells" } }
                        }
                    }
                    tbody {
                        @for line in &self.lines {
                            tr {
                                th scope="row" {
                                    (line.words) " " code { (line.code) }
                                    @if let Some(examples) = self.file.examples(line.code) {
                                        " " br; small { (shown(&examples)) }
                                    }
                                    (lying(0.0, line.number as f64 / most as f64, self.class))
                                }
                                td.number { (grouped(line.number)) }
                            }
                        }
                    }
                }
                p.note { code { (self.file.name) } " in the folder of the run names each by its record." }
            }
        }
    }
}
