//! The elements that all pictures have. Must not know: what they show.

use std::fmt::Write;

/// The beginning of a picture of that size: a white ground, so that it can be read on a dark page too, and no fonts of its
/// own.
pub(crate) fn begin(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        escape(title)
    )
}

pub(crate) fn text(out: &mut String, x: f64, y: f64, style: &str, text: &str) {
    let colour = if style.contains("fill=") { "" } else { " fill=\"#1f2328\"" };
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}{colour}>{}</text>", escape(text));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
