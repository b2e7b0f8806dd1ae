//! Plots as SVG.

use anyhow::{Error, Result};
use plotters::{
    chart::{ChartBuilder, ChartContext},
    coord::{
        Shift,
        combinators::IntoLogRange,
        ranged1d::{AsRangedCoord, ValueFormatter},
    },
    prelude::*,
};

use crate::model::{Kind, Plot, Scale, Series};

/// Width and height without the legend, in pixels.
const SIZE: (u32, u32) = (860, 420);
/// Where names of the legend begin, how far apart its rows are, and how wide one letter is at most on the average, in pixels.
const LEGEND_LEFT: i32 = 96;
const ROW: u32 = 22;
const LETTER: usize = 8;
/// Colours that people with any eyesight tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(90, 90, 90),
];
/// How much of its place on the x axis a group of bars takes.
const GROUP_WIDTH: f64 = 0.8;

/// Draws a plot.
///
/// # Errors
///
/// When it has no points, or cannot be drawn.
pub(super) fn svg(plot: &Plot) -> Result<String> {
    let mut text = String::new();
    {
        let legend = Legend::of(plot);
        let size = (SIZE.0, SIZE.1 + legend.height());
        let whole = SVGBackend::with_string(&mut text, size).into_drawing_area();
        whole.fill(&WHITE).map_err(failed)?;
        // Below the plot, where it hides nothing.
        let (area, below) = whole.split_vertically(SIZE.1);
        legend.draw(&below)?;
        let (x, y) = (bounds_of_x(plot)?, bounds_of_y(plot)?);
        match (plot.x_scale, plot.y_scale) {
            (Scale::Linear, Scale::Linear) => draw(&area, plot, x.0..x.1, y.0..y.1),
            (Scale::Logarithmic, Scale::Linear) => draw(&area, plot, (x.0..x.1).log_scale(), y.0..y.1),
            (Scale::Linear, Scale::Logarithmic) => draw(&area, plot, x.0..x.1, (y.0..y.1).log_scale()),
            (Scale::Logarithmic, Scale::Logarithmic) => {
                draw(&area, plot, (x.0..x.1).log_scale(), (y.0..y.1).log_scale())
            }
        }?;
        whole.present().map_err(failed)?;
    }
    Ok(text)
}

/// The names of the series, in as many rows as they need.
struct Legend<'a>(Vec<(i32, u32, RGBColor, &'a str)>);

impl<'a> Legend<'a> {
    fn of(plot: &'a Plot) -> Self {
        let mut places = Vec::new();
        let (mut x, mut row) = (LEGEND_LEFT, 0);
        for (index, series) in plot.series.iter().enumerate() {
            let width = (series.name.chars().count() * LETTER + 40) as i32;
            if x > LEGEND_LEFT && x + width > SIZE.0 as i32 {
                (x, row) = (LEGEND_LEFT, row + 1);
            }
            places.push((x, row, colour(index), series.name.as_str()));
            x += width;
        }
        Self(places)
    }

    /// In pixels.
    fn height(&self) -> u32 {
        self.0.last().map_or(0, |(_, row, ..)| (row + 1) * ROW + 8)
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        for &(x, row, colour, name) in &self.0 {
            let y = (row * ROW + ROW / 2) as i32;
            area.draw(&Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()))
                .map_err(failed)?;
            area.draw(&Text::new(name, (x + 20, y - 7), ("sans-serif", 14)))
                .map_err(failed)?;
        }
        Ok(())
    }
}

fn colour(index: usize) -> RGBColor {
    COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::msg(format!("cannot draw: {error}"))
}

fn points(plot: &Plot) -> impl Iterator<Item = &crate::model::Point> {
    plot.series.iter().flat_map(|series| &series.points)
}

fn bounds_of_x(plot: &Plot) -> Result<(f64, f64)> {
    if plot.kind == Kind::Bars {
        return Ok((-0.5, plot.categories.len() as f64 - 0.5));
    }
    let all = || points(plot).map(|point| point.x);
    bounds(
        plot,
        plot.x_scale,
        all().fold(f64::INFINITY, f64::min),
        all().fold(f64::NEG_INFINITY, f64::max),
    )
}

fn bounds_of_y(plot: &Plot) -> Result<(f64, f64)> {
    let least = points(plot)
        .map(|point| point.y.min())
        .fold(f64::INFINITY, f64::min);
    let most = points(plot)
        .map(|point| point.y.max())
        .fold(f64::NEG_INFINITY, f64::max);
    bounds(plot, plot.y_scale, least, most)
}

fn bounds(plot: &Plot, scale: Scale, least: f64, most: f64) -> Result<(f64, f64)> {
    if !(least.is_finite() && most.is_finite()) {
        return Err(Error::msg(format!("{} has no points", plot.file)));
    }
    Ok(match scale {
        Scale::Linear => (0.0, if most > 0.0 { most * 1.08 } else { 1.0 }),
        Scale::Logarithmic if least > 0.0 => (least / 1.5, most * 1.5),
        Scale::Logarithmic => {
            return Err(Error::msg(format!(
                "{} has points without a logarithm",
                plot.file
            )));
        }
    })
}

fn draw<X, Y>(area: &DrawingArea<SVGBackend<'_>, Shift>, plot: &Plot, x: X, y: Y) -> Result<()>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(&plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(84)
        .build_cartesian_2d(x, y)
        .map_err(failed)?;
    let category = |place: &f64| {
        let whole = place.round();
        let is_place = (place - whole).abs() < 0.01 && whole >= 0.0;
        let name = is_place.then(|| plot.categories.get(whole as usize)).flatten();
        name.cloned().unwrap_or_default()
    };
    let on_x = |number: &f64| short(*number, &plot.x_label);
    let on_y = |number: &f64| short(*number, &plot.y_label);
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(&plot.x_label)
        .y_desc(&plot.y_label)
        .label_style(("sans-serif", 13))
        .y_label_formatter(&on_y);
    if plot.kind == Kind::Bars {
        mesh.disable_x_mesh()
            .x_labels(plot.categories.len() * 2 + 1)
            .x_label_formatter(&category);
    } else {
        mesh.x_label_formatter(&on_x);
    }
    mesh.draw().map_err(failed)?;
    for (index, series) in plot.series.iter().enumerate() {
        let colour = colour(index);
        match plot.kind {
            Kind::Lines => draw_lines(&mut chart, series, colour)?,
            Kind::Bars => draw_bars(
                &mut chart,
                series,
                colour,
                (index, plot.series.len()),
                plot.y_scale,
            )?,
        }
    }
    Ok(())
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

fn draw_lines<X, Y>(chart: &mut Chart<'_, '_, X, Y>, series: &Series, colour: RGBColor) -> Result<()>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let middle = || series.points.iter().map(|point| (point.x, point.y.median()));
    chart
        .draw_series(LineSeries::new(middle(), colour.stroke_width(2)))
        .map_err(failed)?;
    chart
        .draw_series(middle().map(|place| Circle::new(place, 3, colour.filled())))
        .map_err(failed)?;
    let whiskers = series
        .points
        .iter()
        .map(|point| PathElement::new([(point.x, point.y.min()), (point.x, point.y.max())], colour));
    chart.draw_series(whiskers).map_err(failed)?;
    Ok(())
}

fn draw_bars<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    series: &Series,
    colour: RGBColor,
    (index, count): (usize, usize),
    y_scale: Scale,
) -> Result<()>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let width = GROUP_WIDTH / count as f64;
    let left = -GROUP_WIDTH / 2.0 + width * index as f64;
    let bars = series.points.iter().map(|point| {
        let median = point.y.median();
        // A logarithm has no zero to begin at, so bars begin far below everything.
        let floor = if y_scale == Scale::Logarithmic {
            f64::MIN_POSITIVE
        } else {
            0.0
        };
        let from = point.x + left;
        Rectangle::new([(from, floor), (from + width * 0.94, median)], colour.filled())
    });
    chart.draw_series(bars).map_err(failed)?;
    let whiskers = series.points.iter().map(|point| {
        let middle = point.x + left + width * 0.47;
        PathElement::new([(middle, point.y.min()), (middle, point.y.max())], BLACK)
    });
    chart.draw_series(whiskers).map_err(failed)?;
    Ok(())
}

/// A number on an axis with this label.
fn short(number: f64, label: &str) -> String {
    let magnitude = number.abs();
    if label.ends_with("seconds") && magnitude > 0.0 && magnitude < 0.9995 {
        let (of_one, unit) = if magnitude >= 0.000_999_5 {
            (1e3, "ms")
        } else {
            (1e6, "µs")
        };
        return format!("{} {unit}", trimmed(number * of_one));
    }
    if magnitude >= 1e6 {
        format!("{} M", trimmed(number / 1e6))
    } else if magnitude >= 1e3 {
        format!("{} k", trimmed(number / 1e3))
    } else {
        trimmed(number)
    }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Figure, Point, Unit};

    fn a_plot(kind: Kind, scale: Scale) -> Plot {
        let point = |x: f64, y: &[f64]| Point {
            x,
            y: Figure::of(Unit::Ratio, y.iter().copied()).expect("some outcomes"),
        };
        Plot {
            file: "plot".to_owned(),
            title: "A title".to_owned(),
            kind,
            y_scale: scale,
            categories: vec!["first".to_owned(), "second".to_owned()],
            series: ["one", "other"]
                .map(|name| Series {
                    name: name.to_owned(),
                    points: vec![point(0.0, &[1.0, 2.0]), point(1.0, &[300.0])],
                })
                .into(),
            ..Plot::default()
        }
    }

    #[test]
    fn names_and_places_are_in_the_drawing() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let text = svg(&a_plot(Kind::Bars, scale)).expect("a drawing");
            for word in ["A title", "one", "other", "first", "second"] {
                assert!(text.contains(word), "{word} in {text}");
            }
        }
        assert!(
            svg(&a_plot(Kind::Lines, Scale::Linear))
                .expect("a drawing")
                .contains("other")
        );
    }

    #[test]
    fn a_plot_without_points_is_an_error() {
        let plot = Plot {
            series: Vec::new(),
            ..a_plot(Kind::Lines, Scale::Linear)
        };
        assert!(svg(&plot).is_err());
    }

    #[test]
    fn numbers_on_an_axis() {
        assert_eq!(short(0.0, "seconds"), "0");
        assert_eq!(short(1_500_000.0, "packets"), "1.5 M");
        assert_eq!(short(20_000.0, "groups"), "20 k");
        assert_eq!(short(0.25, "times"), "0.25");
        assert_eq!(short(0.25, "seconds"), "250 ms");
        assert_eq!(short(0.001, "seconds"), "1 ms");
        assert_eq!(short(0.000_1, "CPU seconds"), "100 µs");
        assert_eq!(short(10.0, "seconds"), "10");
    }
}
