//! The report as a picture: a panel for each row, a bar for each proxy, the best at the top. SVG, without scripts or
//! fonts.

use std::fmt::Write;

use crate::report::{Better, NAIVE, OURS, Outcome, Report, number};
use crate::svg::{begin, text};

const COLUMNS: usize = 3;
const PANEL: f64 = 350.0;
const GAP: f64 = 22.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 74.0;
const HEAD: f64 = 26.0;
const BAR: f64 = 17.0;
const NAMES: f64 = 96.0;
const FIGURES: f64 = 56.0;

/// A panel for each row in which tlsgate and at least one other proxy have a figure.
pub(crate) fn svg(report: &Report) -> String {
    let rows: Vec<Panel<'_>> = report.results.iter().filter_map(Panel::of).collect();
    let lines = rows.chunks(COLUMNS);
    let heights: Vec<f64> =
        lines.clone().map(|line| line.iter().map(Panel::height).fold(0.0, f64::max) + GAP).collect();
    let width = 2.0 * MARGIN + COLUMNS as f64 * (PANEL + GAP) - GAP;
    let height = TITLE + heights.iter().sum::<f64>() + MARGIN;
    let mut out = begin(width, height, "tlsgate beside other proxies");
    text(&mut out, MARGIN, 32.0, "font-size=\"19\" font-weight=\"600\"", title(report));
    let machine = format!(
        "tlsgate {}, medians of {} × A B … B A; {}, one core for the proxy, one worker; AES-128-GCM, X25519",
        report.commit, report.rounds, report.processor
    );
    text(&mut out, MARGIN, 54.0, "font-size=\"12\" fill=\"#57606a\"", &machine);
    let mut top = TITLE;
    for (line, height) in lines.zip(heights) {
        for (column, panel) in line.iter().enumerate() {
            panel.draw(&mut out, MARGIN + column as f64 * (PANEL + GAP), top);
        }
        top += height;
    }
    out + "</svg>\n"
}

fn title(report: &Report) -> &'static str {
    // No other row has this unit or direction.
    if report.results.iter().any(|row| row.unit == "ms" || row.better == Better::More) {
        "Latency and what was done: shorter is better, and longer where there is ↑"
    } else {
        "The proxy’s own processor time: shorter is better"
    }
}

struct Panel<'a> {
    title: String,
    /// Best first.
    bars: Vec<(&'a str, f64)>,
}

impl<'a> Panel<'a> {
    fn of(outcome: &'a Outcome) -> Option<Self> {
        if outcome.only_naive || outcome.cells.get(OURS)?.median().is_none() {
            return None;
        }
        let mut bars: Vec<(&str, f64)> =
            outcome.cells.iter().filter_map(|(name, cell)| Some((name.as_str(), cell.median()?))).collect();
        bars.sort_by(|left, right| outcome.better.order(left.1, right.1));
        let more = if outcome.better == Better::More { " ↑" } else { "" };
        (bars.len() > 1).then(|| Self { title: format!("{}, {}{more}", outcome.what, outcome.unit), bars })
    }

    fn height(&self) -> f64 {
        HEAD + self.bars.len() as f64 * BAR
    }

    fn draw(&self, out: &mut String, left: f64, top: f64) {
        text(out, left, top + 14.0, "font-size=\"13\" font-weight=\"600\"", &self.title);
        let longest = self.bars.iter().map(|bar| bar.1).fold(f64::MIN_POSITIVE, f64::max);
        for (place, (name, value)) in self.bars.iter().enumerate() {
            let y = top + HEAD + place as f64 * BAR;
            let length = (PANEL - NAMES - FIGURES) * value / longest;
            let (colour, weight) = match *name {
                OURS => ("#0a7d4f", "600"),
                name if name.starts_with(OURS) => ("#7fc4a4", "400"),
                NAIVE => ("#b9bec5", "400"),
                _ => ("#5b83b8", "400"),
            };
            let style = format!("font-size=\"12\" font-weight=\"{weight}\" text-anchor=\"end\"");
            text(out, left + NAMES - 8.0, y + 12.0, &style, name);
            let x = left + NAMES;
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{colour}\"/>",
                y + 2.0,
                BAR - 5.0
            );
            let style = format!("font-size=\"12\" font-weight=\"{weight}\"");
            text(out, x + length + 6.0, y + 12.0, &style, &number(*value));
        }
    }
}
