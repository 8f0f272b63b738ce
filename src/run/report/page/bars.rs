//! Bars drawn as SVG. A drawing is stretched to the width that it is given, so that it has no text: its words are in HTML around
//! it, and in its title and description.

use maud::{Markup, html};

use super::document::coordinate;

/// The width of a bar's place, and the height of a drawing, in units of its own.
const PLACE: f64 = 10.0;
const HEIGHT: f64 = 100.0;
/// A number that is not zero is always seen.
const LEAST: f64 = 1.5;

/// A drawing of bars from left to right.
pub struct BarChart {
    /// A name for its elements, of which a page has one.
    pub id: String,
    /// Its title, for those who cannot see it.
    pub title: String,
    /// The drawing in a sentence.
    pub description: String,
    /// The bars.
    pub bars: Vec<Bar>,
    /// The range in which numbers are usual.
    pub band: Option<Band>,
}

/// One bar.
pub struct Bar {
    /// Its number; `None` where nothing is known.
    pub value: Option<f64>,
    /// Its words, which a pointer shows.
    pub label: String,
    /// How it looks.
    pub look: BarLook,
}

/// How a bar looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarLook {
    /// As the others.
    Plain,
    /// It is the one that the page is about.
    Own,
    /// It is of a trial.
    Trial,
    /// It is bad.
    Bad,
}

/// The range in which the numbers of a drawing are usual.
pub struct Band {
    /// The lowest usual number.
    pub low: f64,
    /// The highest usual number.
    pub high: f64,
    /// The meaning of the range, in a sentence.
    pub words: String,
}

impl BarLook {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "bar",
            Self::Own => "bar own",
            Self::Trial => "bar trial",
            Self::Bad => "bar bad",
        }
    }
}

impl BarChart {
    /// The largest number, which reaches to the top.
    pub fn largest(&self) -> f64 {
        let values = self.bars.iter().filter_map(|bar| bar.value);
        let high = self.band.as_ref().map(|band| band.high);
        values.chain(high).fold(0.0, f64::max)
    }

    /// The drawing.
    pub fn draw(&self) -> Markup {
        let width = PLACE * self.bars.len().max(1) as f64;
        let title = format!("{}-title", self.id);
        let description = format!("{}-desc", self.id);
        let names = format!("{title} {description}");
        let scale = HEIGHT / self.largest().max(f64::MIN_POSITIVE);
        html! {
            svg.bars role="img" aria-labelledby=(names) preserveAspectRatio="none"
                viewBox=(format!("0 0 {} {}", coordinate(width), coordinate(HEIGHT))) {
                title id=(title) { (self.title) }
                desc id=(description) {
                    (self.description)
                    @if let Some(band) = &self.band { " " (band.words) }
                }
                @if let Some(band) = &self.band {
                    rect.band x="0" y=(coordinate(HEIGHT - band.high * scale)) width=(coordinate(width))
                        height=(coordinate((band.high - band.low).max(0.0) * scale)) {}
                }
                @for (index, bar) in self.bars.iter().enumerate() {
                    (bar.draw(index as f64 * PLACE, scale))
                }
            }
        }
    }
}

impl Bar {
    fn draw(&self, left: f64, scale: f64) -> Markup {
        let height = match self.value {
            Some(value) if value > 0.0 => (value * scale).clamp(LEAST, HEIGHT),
            _ => 0.0,
        };
        html! {
            g {
                title { (self.label) }
                // A pointer finds a low bar too.
                rect.place x=(coordinate(left)) y="0" width=(coordinate(PLACE)) height=(coordinate(HEIGHT)) {}
                @if height > 0.0 {
                    rect class=(self.look.class()) x=(coordinate(left + 1.0)) y=(coordinate(HEIGHT - height))
                        width=(coordinate(PLACE - 2.0)) height=(coordinate(height)) {}
                }
            }
        }
    }
}

/// A bar that lies, from `from` to `to` of a whole of 1. The number next to it says the same.
pub(super) fn lying(from: f64, to: f64, class: &str) -> Markup {
    let from = from.clamp(0.0, 1.0) * 1000.0;
    let width = (to.clamp(0.0, 1.0) * 1000.0 - from).max(0.0);
    html! {
        svg.lying aria-hidden="true" focusable="false" preserveAspectRatio="none" viewBox="0 0 1000 10" {
            rect.track x="0" y="0" width="1000" height="10" {}
            @if width > 0.0 {
                rect class=(class) x=(coordinate(from.min(996.0))) y="0" width=(coordinate(width.max(4.0))) height="10" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(band: Option<Band>) -> BarChart {
        let bar = |value| Bar {
            value,
            label: "run <1>".to_owned(),
            look: BarLook::Plain,
        };
        BarChart {
            id: "rows".to_owned(),
            title: "Rows".to_owned(),
            description: "Three runs.".to_owned(),
            bars: vec![bar(Some(0.0)), bar(Some(1.0)), bar(None), bar(Some(200.0))],
            band,
        }
    }

    #[test]
    fn the_largest_bar_reaches_to_the_top_and_none_that_is_not_zero_is_lost() {
        let drawn = bars(None).draw().into_string();
        let heights: Vec<&str> = drawn
            .split("class=\"bar\"")
            .skip(1)
            .map(|rest| rest.split("height=\"").nth(1).unwrap())
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(heights, ["1.5", "100"]);
        assert!(
            !drawn.contains("class=\"band\"") && !drawn.contains("<1>"),
            "{drawn}"
        );
    }

    #[test]
    fn a_band_is_behind_the_bars_and_in_the_description() {
        let band = Band {
            low: 100.0,
            high: 400.0,
            words: "Usual are 100 to 400.".to_owned(),
        };
        let drawn = bars(Some(band)).draw().into_string();
        let rect = "<rect class=\"band\" x=\"0\" y=\"0\" width=\"40\" height=\"75\">";
        assert!(drawn.contains(rect), "{drawn}");
        assert!(
            drawn.contains("Three runs. Usual are 100 to 400."),
            "{drawn}"
        );
        assert!(
            drawn.contains("height=\"50\""),
            "the highest bar is half as high: {drawn}"
        );
    }
}
