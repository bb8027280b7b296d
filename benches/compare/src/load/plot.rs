//! The report as a picture: CPU time as grouped bars, latency quantiles as ranges. Without a
//! background and in middle tones, so that it can be read on a white page and on a dark one.

use std::fmt::Write as _;

use crate::numbers::{Field, pooled_ms};
use crate::plan::size;
use crate::report::{BARE, Report};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 940.0;
/// Of the names before the ranges.
const NAMES: f64 = 220.0;
const BARS: f64 = 180.0;
const ROW: f64 = 20.0;
const INK: &str = "#7a8490";
const COLOURS: [&str; 7] = [
    "#8b949e", "#d9822b", "#2f9e6e", "#3b82d6", "#8a63d2", "#d6455d", "#b08900",
];

/// The whole picture.
pub(crate) fn svg(report: &Report) -> String {
    let mut plot = Plot {
        text: String::new(),
        y: 24.0,
    };
    plot.legend(report);
    plot.bars(
        report,
        "CPU time per request, × bare Pingora, closed loop",
        |n| n.closed_cpu_us,
    );
    plot.bars(
        report,
        "CPU time per request, × bare Pingora, fixed rate",
        |n| n.fixed_cpu_us,
    );
    for (case, kind) in report.cases_of(false) {
        let (bytes, rate) = (size(kind.bytes), kind.rate());
        let title = format!(
            "Latency, {bytes} bodies, {rate} requests a second: p50 (large dot), p99, p99.9, in ms"
        );
        plot.ranges(report, case, &title);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
         {text}</svg>\n",
        height = plot.y,
        text = plot.text
    )
}

/// What is drawn so far, and where the next part begins.
struct Plot {
    text: String,
    y: f64,
}

impl Plot {
    fn write(&mut self, x: f64, y: f64, anchor: &str, what: &str) {
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{what}</text>"
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, rest: &str) {
        let _ = writeln!(
            self.text,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" {rest}/>",
            from.0, from.1, to.0, to.1
        );
    }

    fn title(&mut self, title: &str) {
        let y = self.y;
        let _ = writeln!(
            self.text,
            "<text x=\"12\" y=\"{y:.1}\" font-size=\"15\" font-weight=\"600\">{title}</text>"
        );
        self.y += 14.0;
    }

    fn legend(&mut self, report: &Report) {
        for (index, (target, name)) in report.proxies().enumerate() {
            let (x, y) = (
                12.0 + 235.0 * (index % 4) as f64,
                self.y + ROW * (index / 4) as f64,
            );
            let colour = colour(target);
            let _ = writeln!(
                self.text,
                "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>",
                y - 11.0
            );
            self.write(x + 18.0, y, "start", name);
        }
        self.y += ROW * report.names.len().div_ceil(4) as f64 + 20.0;
    }

    /// A group for each size, a bar for each target but bare Pingora, which is the line at 1.
    fn bars(&mut self, report: &Report, title: &str, field: Field) {
        self.title(title);
        let bars = |case| {
            let targets = report.proxies().filter(|(target, _)| *target != BARE);
            targets.map(move |(target, _)| (target, report.ratio(case, target, field)))
        };
        let all = report.cases_of(false).flat_map(|(case, _)| bars(case));
        let most = all.filter_map(|bar| bar.1).fold(1.0, f64::max) * 1.08;
        let (top, bottom) = (self.y + 10.0, self.y + 10.0 + BARS);
        let y_of = |value: f64| bottom - value / most * BARS;
        let cases = report.cases_of(false).count() as f64;
        let group = (RIGHT - LEFT) / cases;
        for (place, (case, kind)) in report.cases_of(false).enumerate() {
            let begin = LEFT + group * place as f64 + group * 0.06;
            let width = group * 0.88 / (report.names.len() - 1).max(1) as f64;
            for (index, (target, ratio)) in bars(case).enumerate() {
                let Some(ratio) = ratio else { continue };
                self.bar(
                    begin + width * index as f64,
                    y_of(ratio),
                    width,
                    bottom,
                    target,
                );
                let middle = begin + width * (index as f64 + 0.5);
                let value = format!("<tspan font-size=\"11\">{ratio:.2}</tspan>");
                self.write(middle, y_of(ratio) - 4.0, "middle", &value);
            }
            let middle = LEFT + group * (place as f64 + 0.5);
            self.write(middle, bottom + 18.0, "middle", &size(kind.bytes));
        }
        self.line((LEFT, bottom), (RIGHT, bottom), INK, "");
        let one = y_of(1.0);
        self.line((LEFT, one), (RIGHT, one), INK, "stroke-dasharray=\"5 4\"");
        self.write(LEFT - 6.0, one + 4.0, "end", "bare");
        self.y = top + BARS + 54.0;
    }

    fn bar(&mut self, x: f64, y: f64, width: f64, bottom: f64, target: usize) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            x + 1.5,
            width - 3.0,
            bottom - y,
            colour(target)
        );
    }

    /// A row for each target: from the median over p99 to p99.9, on a logarithmic scale.
    fn ranges(&mut self, report: &Report, case: usize, title: &str) {
        self.title(title);
        let quantiles =
            |target| [0.5, 0.99, 0.999].map(|share| pooled_ms(report.rounds(case, target), share));
        let all = report.proxies().flat_map(|(target, _)| quantiles(target));
        let values: Vec<f64> = all.flatten().collect();
        let least = values.iter().copied().fold(f64::MAX, f64::min) * 0.9;
        let most = values.iter().copied().fold(0.0, f64::max) * 1.1;
        let x_of =
            |value: f64| NAMES + (value / least).ln() / (most / least).ln() * (RIGHT - NAMES);
        let bottom = self.y + ROW * report.names.len() as f64 + 6.0;
        for tick in ticks(least, most) {
            let x = x_of(tick);
            self.line((x, self.y), (x, bottom), INK, "stroke-opacity=\"0.35\"");
            self.write(x, bottom + 16.0, "middle", &tick.to_string());
        }
        for (target, name) in report.proxies() {
            self.y += ROW;
            let y = self.y - 5.0;
            self.write(NAMES - 10.0, self.y - 1.0, "end", name);
            let [Some(p50), Some(p99), Some(p999)] = quantiles(target) else {
                continue;
            };
            let thick = "stroke-width=\"3\" stroke-opacity=\"0.6\"";
            self.line((x_of(p50), y), (x_of(p999), y), colour(target), thick);
            for (value, radius) in [(p50, 6.0), (p99, 4.5), (p999, 3.0)] {
                let (x, colour) = (x_of(value), colour(target));
                let _ = writeln!(
                    self.text,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\"/>"
                );
            }
        }
        self.y = bottom + 50.0;
    }
}

/// Round numbers within a range.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let all = [
        0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 50.0, 100.0,
    ];
    all.into_iter()
        .filter(|tick| (least..=most).contains(tick))
        .collect()
}

fn colour(target: usize) -> &'static str {
    COLOURS[(target - BARE) % COLOURS.len()]
}
