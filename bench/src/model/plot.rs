//! Plots of figures.

use serde::{Deserialize, Serialize};

use super::Figure;

/// How an axis is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// Evenly, from zero.
    #[default]
    Linear,
    /// By powers of ten.
    Logarithmic,
}

/// How the points are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A line through the points of each series.
    #[default]
    Lines,
    /// A bar for each point, those of all series side by side; `categories` name the places on the x axis.
    Bars,
}

/// A plot, drawn with the median of each figure and a whisker from the least to the greatest outcome.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plot {
    /// The name of the file without its ending.
    pub(crate) file: String,
    /// What it shows.
    pub(crate) title: String,
    /// Lines or bars.
    pub(crate) kind: Kind,
    /// What the x axis counts.
    pub(crate) x_label: String,
    /// What the y axis counts, with its unit.
    pub(crate) y_label: String,
    /// How the x axis is divided.
    pub(crate) x_scale: Scale,
    /// How the y axis is divided.
    pub(crate) y_scale: Scale,
    /// Names of the places 0, 1, 2 … on the x axis of bars.
    pub(crate) categories: Vec<String>,
    /// What is compared.
    pub(crate) series: Vec<Series>,
}

/// One of those that a plot compares.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub(crate) name: String,
    /// Its points.
    pub(crate) points: Vec<Point>,
}

/// A point of a series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Where on the x axis.
    pub(crate) x: f64,
    /// What was measured there.
    pub(crate) y: Figure,
}
