//! The soak as a picture: memory, open files and latency over time, with marks for what was done meanwhile. Must not know:
//! how it was measured.

use std::fmt::Write;

use crate::svg::{begin, text};

/// A panel: lines over time.
pub(crate) struct Panel<'a> {
    pub(crate) title: String,
    pub(crate) lines: Vec<Drawn<'a>>,
    pub(crate) scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From 0.
    Linear,
    /// For what has rare peaks.
    Logarithmic,
}

/// A line: its name, its colour, and points (seconds and value). Where it is interrupted, a new piece begins.
pub(crate) struct Drawn<'a> {
    pub(crate) name: &'a str,
    pub(crate) colour: &'a str,
    pub(crate) pieces: Vec<Vec<(f64, f64)>>,
}

/// What was done, in seconds since the start.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) upgrades: Vec<f64>,
    pub(crate) kills: Vec<f64>,
    pub(crate) pressed: Vec<(f64, f64)>,
}

pub(crate) fn svg(title: &str, below: &str, seconds: f64, panels: &[Panel<'_>], marks: &Marks) -> String {
    let bottom = HEAD + panels.len() as f64 * (PANEL + GAP);
    let mut out = begin(WIDTH, bottom + FOOT, title);
    text(&mut out, LEFT, 30.0, "font-size=\"19\" font-weight=\"600\"", title);
    text(&mut out, LEFT, 51.0, &format!("font-size=\"12\" {GREY}"), below);
    let x = |at: f64| LEFT + at / seconds * (WIDTH - LEFT - RIGHT);
    for (from, until) in &marks.pressed {
        let (x, width) = (x(*from), x(*until) - x(*from));
        let height = bottom - HEAD;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{HEAD}\" width=\"{width:.1}\" height=\"{height}\" fill=\"#fff1d6\"/>"
        );
    }
    for at in &marks.upgrades {
        vertical(&mut out, x(*at), HEAD, bottom, "#8250df\" stroke-dasharray=\"4 3");
    }
    for (row, panel) in panels.iter().enumerate() {
        panel.draw(&mut out, HEAD + row as f64 * (PANEL + GAP), &x, seconds);
    }
    for at in &marks.kills {
        vertical(&mut out, x(*at), bottom, bottom + 7.0, "#cf222e");
    }
    axis(&mut out, bottom + 22.0, seconds, &x);
    legend(&mut out, bottom + 44.0);
    out + "</svg>\n"
}

impl Panel<'_> {
    fn draw(&self, out: &mut String, top: f64, x: &impl Fn(f64) -> f64, seconds: f64) {
        let (floor, ceiling) = (top + TITLE, top + PANEL);
        text(out, LEFT, top + 13.0, "font-size=\"13\" font-weight=\"600\"", &self.title);
        let mut place = WIDTH - RIGHT;
        for line in self.lines.iter().rev() {
            let style = format!("font-size=\"12\" font-weight=\"600\" text-anchor=\"end\" fill=\"{}\"", line.colour);
            text(out, place, top + 13.0, &style, line.name);
            place -= 60.0;
        }
        let values = || self.lines.iter().flat_map(|line| line.pieces.iter().flatten()).map(|point| point.1);
        let (low, high) = self.scale.bounds(values());
        let share = |value: f64| self.scale.share(value, low, high);
        let y = |value: f64| ceiling - share(value).clamp(0.0, 1.0) * (ceiling - floor);
        for value in self.scale.ticks(low, high) {
            let at = y(value);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d8dee4\"/>",
                WIDTH - RIGHT
            );
            text(out, LEFT - 8.0, at + 4.0, &format!("font-size=\"11\" text-anchor=\"end\" {GREY}"), &number(value));
        }
        for line in &self.lines {
            for piece in &line.pieces {
                let points = thinned(piece, seconds / ((WIDTH - LEFT - RIGHT) / 1.5));
                let points: Vec<String> =
                    points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
                let _ = writeln!(
                    out,
                    "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\" points=\"{}\"/>",
                    line.colour,
                    points.join(" ")
                );
            }
        }
    }
}

impl Scale {
    fn bounds(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::MIN_POSITIVE);
        for value in values.filter(|value| *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        match self {
            Self::Linear => (0.0, high * 1.05),
            Self::Logarithmic => (10_f64.powf(low.min(high).log10().floor()), 10_f64.powf(high.log10().ceil())),
        }
    }

    fn share(self, value: f64, low: f64, high: f64) -> f64 {
        match self {
            Self::Linear => (value - low) / (high - low),
            Self::Logarithmic => (value.max(low) / low).log10() / (high / low).log10().max(1.0),
        }
    }

    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        match self {
            Self::Linear => {
                let step = round(high / 4.0);
                (0..=8).map(|count| f64::from(count) * step).take_while(|value| *value <= high).collect()
            }
            Self::Logarithmic => {
                (0..=8).map(|power| low * 10_f64.powi(power)).take_while(|value| *value <= high * 1.01).collect()
            }
        }
    }
}

/// The means of all points within each `width`.
fn thinned(points: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    crate::fit::batches(points, width)
}

fn vertical(out: &mut String, x: f64, from: f64, until: f64, stroke: &str) {
    let _ = writeln!(out, "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{until:.1}\" stroke=\"{stroke}\"/>");
}

fn axis(out: &mut String, y: f64, seconds: f64, x: &impl Fn(f64) -> f64) {
    let (unit, length) = if seconds < 300.0 { ("s", 1.0) } else { ("min", 60.0) };
    let step = round(seconds / length / 8.0).max(1.0);
    for count in 0..=16 {
        let value = f64::from(count) * step;
        if value * length > seconds * 1.001 {
            break;
        }
        let style = format!("font-size=\"11\" text-anchor=\"middle\" {GREY}");
        text(out, x(value * length), y, &style, &format!("{} {unit}", number(value)));
    }
}

fn legend(out: &mut String, y: f64) {
    let rows = [
        ("#8250df", "┆ another process has taken over"),
        ("#cf222e", "| a server was killed"),
        ("#9a6700", "▮ many clients do not read"),
    ];
    for (place, (colour, what)) in rows.into_iter().enumerate() {
        text(out, LEFT + place as f64 * 250.0, y, &format!("font-size=\"12\" fill=\"{colour}\""), what);
    }
}

/// 1, 2 or 5 times a power of ten, near that value.
fn round(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    power * steps.into_iter().find(|step| *step >= value / power).unwrap_or(10.0)
}

fn number(value: f64) -> String {
    if value >= 1.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value}") }
}

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 24.0;
const HEAD: f64 = 70.0;
const PANEL: f64 = 150.0;
const GAP: f64 = 22.0;
const TITLE: f64 = 22.0;
const FOOT: f64 = 60.0;
const GREY: &str = "fill=\"#57606a\"";
