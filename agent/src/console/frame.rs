//! What all pages have in common: the document around them, its style sheet, the language links.

use super::Freshness;
use crate::texts::{Language, figure};
use crate::view::StoreView;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Seconds between two reloads of a page that only shows.
const REFRESH_S: u32 = 5;

/// The style sheet under a path that changes with its content, so that browsers may keep it for ever.
pub(super) static STYLE: LazyLock<Style> = LazyLock::new(|| {
    let text = include_str!("../../assets/console.css");
    let digest = Sha256::digest(text);
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Style { path: format!("/console-{hash}.css"), text }
});

pub(super) struct Style {
    pub(super) path: String,
    text: &'static str,
}

pub(super) async fn style() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE.text)
}

/// What a page says about itself.
pub(super) struct Frame<'a> {
    /// For the tab and the history.
    pub(super) title: &'a str,
    pub(super) language: Language,
    /// Its own path without query, for the language links; none where it answers a form.
    pub(super) path: Option<&'a str>,
    /// Whether it reloads by itself. Never with a form on it: a reload takes away what is being typed.
    pub(super) is_live: bool,
}

/// A whole document.
pub(super) fn document(frame: &Frame<'_>, header: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(frame.language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if frame.is_live { meta http-equiv="refresh" content=(REFRESH_S); }
                title { (frame.title) }
                link rel="stylesheet" href=(STYLE.path);
            }
            body {
                header.top {
                    div.place { (header) }
                    @if let Some(path) = frame.path {
                        nav.languages aria-label=(frame.language.pick("语言", "Language", "言語を選ぶ")) {
                            @for language in Language::ALL {
                                @if language == frame.language {
                                    span aria-current="true" { (language.own_name()) }
                                } @else {
                                    a href={ (path) "?lang=" (language.code()) } lang=(language.tag()) { (language.own_name()) }
                                }
                            }
                        }
                    }
                }
                main { (main) }
            }
        }
    }
}

/// The way back to the overview.
pub(super) fn home_link(language: Language) -> Markup {
    html! { a.back href={ "/?lang=" (language.code()) } { "← " (language.pick("全部设备", "All equipment", "すべての機器")) } }
}

/// Says so where the figures of a page are not of the present.
pub(super) fn freshness_banner(view: &StoreView, freshness: Freshness, language: Language) -> Markup {
    let t = |zh, en, ja| language.pick(zh, en, ja);
    html! {
        @match freshness {
            Freshness::Current => {}
            Freshness::Starting => p.banner role="alert" {
                strong { (t("正在启动", "Starting", "起動しています")) }
                " " (t("还没有数据，请稍等。一分钟后还是这样：打电话告诉总部。", "No data yet, please wait. If this stays for a minute, call headquarters.", "まだデータがありません。お待ちください。1 分たっても変わらないときは、本部に電話してください。"))
            }
            Freshness::Old => p.banner role="alert" {
                strong { (t("画面已停止更新", "This page has stopped updating", "画面の更新が止まっています")) }
                " " (t("最后更新：", "Last update: ", "最後の更新：")) (figure::clock(view.at_ms, view.utc_offset_s)) (t("。", ". ", "。"))
                (t("请直接看柜子上的温度，并打电话告诉总部。", "Read the displays on the cabinets and call headquarters.", "ケースの温度表示を直接見て、本部に電話してください。"))
            }
        }
    }
}

/// A page that says one thing.
pub(super) fn notice(title: &str, language: Language) -> Markup {
    let frame = Frame { title, language, path: None, is_live: false };
    document(&frame, &home_link(language), &html! { h1 { (title) } })
}

/// `text` as one segment of a path (RFC 3986): all but unreserved bytes percent-encoded.
pub(super) fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |path, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            path + char::from(byte).encode_utf8(&mut [0])
        }
        other => path + &format!("%{other:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_leave_its_place_in_the_path() {
        assert_eq!(segment("freezer-2"), "freezer-2");
        assert_eq!(segment("a/../b?c#d"), "a%2F..%2Fb%3Fc%23d");
        assert_eq!(segment("柜"), "%E6%9F%9C");
    }
}
