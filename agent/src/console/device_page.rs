//! One device with all its points: what a technician asks for on the telephone. Also how a point is
//! shown, which the overview shares.

use super::Freshness;
use super::care_page::service_text;
use super::frame::{Frame, document, freshness_banner, home_link, segment};
use crate::texts::{Language, figure, words};
use crate::view::{DeviceView, PointView, StoreView};
use maud::{Markup, html};

/// What may be said about a point.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown<'v> {
    /// A value that holds now.
    Known(f64),
    /// No such value.
    Unknown {
        /// The name of the quality.
        why: &'v str,
        /// The last value and when it was read, if there is one.
        last: Option<(f64, i64)>,
    },
}

impl<'v> Shown<'v> {
    /// Nothing is known now if the snapshot itself is not current, whatever it says about the point.
    pub(super) fn of(point: &'v PointView, freshness: Freshness) -> Self {
        let value = point.value.filter(|value| value.is_finite());
        match (point.quality, value) {
            ("good", Some(value)) if freshness == Freshness::Current => Self::Known(value),
            ("good", last) => Self::Unknown { why: "stale", last: last.map(|value| (value, point.at_ms)) },
            (why, last) => Self::Unknown { why, last: last.map(|value| (value, point.at_ms)) },
        }
    }

    /// A known flag; unknown is neither.
    pub(super) fn is_set(&self) -> Option<bool> {
        match self {
            Self::Known(value) => Some(*value != 0.0),
            Self::Unknown { .. } => None,
        }
    }
}

/// The device on a page of its own.
pub(super) fn device_page(
    view: &StoreView,
    device: &DeviceView,
    freshness: Freshness,
    language: Language,
) -> Markup {
    let path = format!("/devices/{}", segment(&device.id));
    let frame = Frame { title: &device.name, language, path: Some(&path), is_live: true };
    let t = |zh, en, ja| language.pick(zh, en, ja);
    let main = html! {
        (freshness_banner(view, freshness, language))
        h1 { (device.name) " " small { (device.id) } }
        @if let Some(text) = service_text(view, device, language) { p { strong { (text) } } }
        table.points {
            thead { tr { th { (t("数据", "Point", "データ")) } th { (t("数值", "Value", "値")) } th { (t("读取时间", "Read at", "読んだ時刻")) } } }
            tbody {
                @for point in &device.points {
                    @let shown = Shown::of(point, freshness);
                    tr.unknown[matches!(shown, Shown::Unknown { .. })] {
                        th scope="row" { (words::point(&point.name, language)) }
                        td {
                            @match &shown {
                                Shown::Known(value) => (value_text(point, *value, language)),
                                Shown::Unknown { why, last } => {
                                    strong { (t("未知", "Unknown", "わかりません")) } ": " (words::quality(why, language))
                                    @if let Some((value, _)) = last {
                                        " (" (t("上次 ", "last ", "前回は ")) (value_text(point, *value, language)) ")"
                                    }
                                }
                            }
                        }
                        td { @if point.at_ms == 0 { "—" } @else { (figure::moment(point.at_ms, view.at_ms, view.utc_offset_s, language)) } }
                    }
                }
            }
        }
        p { a href={ (path) "/care?lang=" (language.code()) } { (t("维修 · 停用", "Maintenance · out of service", "整備・使用停止にする")) } }
    };
    document(&frame, &home_link(language), &main)
}

/// The value of a point with its unit, or the word of its flag.
pub(super) fn value_text(point: &PointView, value: f64, language: Language) -> String {
    match point.unit {
        "flag" => words::flag(&point.name, value != 0.0, language).to_owned(),
        unit => figure::quantity_text(value, unit),
    }
}
