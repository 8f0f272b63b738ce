//! Reasons of rejections, and changes of cells, by their number.

use maud::{Markup, html};

use super::super::RunReport;
use super::bars::lying;
use super::words;
use crate::base::text::{count, grouped};

/// One code.
struct Line {
    code: &'static str,
    words: &'static str,
    number: u64,
}

/// A table of codes.
struct Table<'a> {
    caption: String,
    unit: &'static str,
    class: &'static str,
    file: &'a str,
    lines: Vec<Line>,
}

/// The section about rejections and repairs.
pub(super) fn section(report: &RunReport) -> Markup {
    let tables: Vec<Table<'_>> = tables(report)
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

fn tables(report: &RunReport) -> [Table<'_>; 4] {
    let rejections = report.rejections.iter().map(|(reason, number)| Line {
        code: reason.code(),
        words: words::rejection(*reason),
        number: *number,
    });
    let repairs = |blanks: bool| {
        let repairs = report.repairs.iter();
        let repairs = repairs.filter(move |(code, _)| code.blanks() == blanks);
        repairs.map(|(code, number)| Line {
            code: code.code(),
            words: words::repair(*code),
            number: *number,
        })
    };
    let shared = report.shared_identifiers.iter().map(|(code, number)| Line {
        code: code.code(),
        words: words::repair(*code),
        number: *number,
    });
    [
        Table::new(
            "row",
            "rejected",
            "fill rejected",
            "rejects.csv",
            rejections,
        ),
        Table::new(
            "cell",
            "blanked",
            "fill blanked",
            "repairs.csv",
            repairs(true),
        ),
        Table::new(
            "cell",
            "cleaned",
            "fill cleaned",
            "repairs.csv",
            repairs(false),
        ),
        Table::new(
            "cell",
            "shared with an earlier row",
            "fill duplicate",
            "conflicts.csv",
            shared,
        ),
    ]
}

impl<'a> Table<'a> {
    fn new(
        unit: &'static str,
        fate: &str,
        class: &'static str,
        file: &'a str,
        lines: impl Iterator<Item = Line>,
    ) -> Self {
        let mut lines: Vec<Line> = lines.collect();
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
                                    (lying(0.0, line.number as f64 / most as f64, self.class))
                                }
                                td.number { (grouped(line.number)) }
                            }
                        }
                    }
                }
                p.note { code { (self.file) } " in the folder of the run names each by its record." }
            }
        }
    }
}
