//! The page for staff on the store's LAN, and the small JSON interface of the command line.
//!
//! The console reads the published [`StoreView`] and changes nothing itself: what a person does becomes
//! a [`SiteRequest`] to the task that owns the alarms, and the person sees its answer. Pages need no
//! script, no cookie and nothing from another machine.

mod act;
mod alarm_page;
mod care_page;
mod device_page;
mod frame;
mod guard;
mod limit;
mod page;
mod request;
#[cfg(test)]
mod tests;

pub use request::{
    Act, LabelAct, LabelRequest, MAINTENANCE_MINUTES_MAX, MarkdownRequest, NAME_CHARS_MAX, PersonName,
    RequestError, SHELVE_MINUTES_MAX, ShelfRequest, SiteRequest, StockRequest,
};

use crate::texts::Language;
use crate::view::StoreView;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use std::convert::Infallible;
use std::sync::Arc;
use storewarden_drivers::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The largest body anybody has reason to send: a name and a number of minutes.
const BODY_BYTES_MAX: usize = 4096;

/// The largest markdown, bytes: some hundred items.
const MARKDOWN_BYTES_MAX: usize = 32 * 1024;

/// A snapshot is published every second; one older than this means that nothing watches the store.
const SNAPSHOT_AGE_MS_MAX: u64 = 15_000;

/// What the console needs to know and whom it asks.
#[derive(Clone, Debug)]
pub struct ConsoleState {
    /// The store as the site task last published it.
    pub view: watch::Receiver<Arc<StoreView>>,
    /// To the site task. When the channel is full a request is refused, never queued elsewhere.
    pub requests: mpsc::Sender<SiteRequest>,
    /// To whoever owns prices and labels, likewise.
    pub shelf_requests: mpsc::Sender<ShelfRequest>,
    /// The time, which is also the snapshots'.
    pub clock: Clock,
    /// For browsers that ask for none of our languages.
    pub default_language: Language,
    /// Host names, without port, under which the console may be called besides `localhost` and IP
    /// addresses.
    pub allowed_hosts: Arc<[String]>,
}

/// All routes, with the guards before them.
pub fn router(state: ConsoleState) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/alarms/{alarm}", get(alarm))
        .route("/alarms/{alarm}/{act}", post(act::alarm_form))
        .route("/devices/{device}", get(device))
        .route("/devices/{device}/care", get(care))
        .route("/devices/{device}/{act}", post(act::device_form))
        .route("/inspected", post(act::inspected_form))
        .route("/api/view", get(view_json))
        .route("/api/alarms/{alarm}/{act}", post(act::alarm_json))
        .route("/api/devices/{device}/{act}", post(act::device_json))
        .route("/api/inspected", post(act::inspected_json))
        .route("/api/labels/{label}/{act}", post(act::label_json))
        .route("/api/stock/{act}", post(act::stock_json))
        .route("/api/prices/markdown", post(act::markdown).layer(DefaultBodyLimit::max(MARKDOWN_BYTES_MAX)))
        .route("/health", get(health))
        .route(&frame::STYLE.path, get(frame::style))
        .fallback(missing)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Serves the console until `stop`; then finishes the answers under way, which [`limit`] bounds.
///
/// # Errors
/// Never in practice: failed accepts are tried again.
pub async fn serve(
    listener: TcpListener,
    state: ConsoleState,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(limit::Bounded::new(listener), router(state))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// How far the snapshot may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    /// Nothing was published yet.
    Starting,
    /// Just published.
    Current,
    /// Nothing new for too long: its figures are history.
    Old,
}

impl Freshness {
    /// The freshness of `view` at `now_ms`, ms since 1970 UTC. A snapshot from the future is as little
    /// current as an old one: one of the two was stamped by a wrong clock.
    fn of(view: &StoreView, now_ms: i64) -> Self {
        match view.at_ms {
            0 => Self::Starting,
            at_ms if now_ms.abs_diff(at_ms) <= SNAPSHOT_AGE_MS_MAX => Self::Current,
            _ => Self::Old,
        }
    }
}

/// The language of the reader: `?lang=`, else what the browser asks for, else the store's.
struct Reader(Language);

impl FromRequestParts<ConsoleState> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Language::from_tag);
        let accepted = || Language::negotiate(parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
        Ok(Self(asked.or_else(accepted).unwrap_or(state.default_language)))
    }
}

async fn overview(State(state): State<ConsoleState>, Reader(language): Reader) -> Response {
    let view = state.view.borrow().clone();
    page::overview(&view, Freshness::of(&view, state.now_ms()), language).into_response()
}

async fn alarm(
    State(state): State<ConsoleState>,
    Reader(language): Reader,
    Path(alarm): Path<u64>,
) -> Response {
    let view = state.view.borrow().clone();
    match alarm_page::alarm_page(&view, alarm, None, Freshness::of(&view, state.now_ms()), language) {
        Some(page) => page.into_response(),
        None => (StatusCode::NOT_FOUND, alarm_page::no_such_alarm(language)).into_response(),
    }
}

async fn device(
    State(state): State<ConsoleState>,
    Reader(language): Reader,
    Path(device): Path<String>,
) -> Response {
    let view = state.view.borrow().clone();
    match view.devices.iter().find(|candidate| candidate.id == device) {
        Some(device) => {
            device_page::device_page(&view, device, Freshness::of(&view, state.now_ms()), language)
                .into_response()
        }
        None => missing(Reader(language)).await,
    }
}

async fn care(
    State(state): State<ConsoleState>,
    Reader(language): Reader,
    Path(device): Path<String>,
) -> Response {
    let view = state.view.borrow().clone();
    match view.devices.iter().find(|candidate| candidate.id == device) {
        Some(device) => {
            let freshness = Freshness::of(&view, state.now_ms());
            care_page::care_page(&view, device, None, freshness, language).into_response()
        }
        None => missing(Reader(language)).await,
    }
}

async fn missing(Reader(language): Reader) -> Response {
    let title = language.pick("没有这个页面", "There is no such page", "このページはありません");
    (StatusCode::NOT_FOUND, frame::notice(title, language)).into_response()
}

async fn view_json(State(state): State<ConsoleState>) -> Response {
    let view = state.view.borrow().clone();
    Json(&*view).into_response()
}

/// For supervisors: 200 while the store is being watched, 503 while it is not.
async fn health(State(state): State<ConsoleState>) -> (StatusCode, &'static str) {
    match Freshness::of(&state.view.borrow(), state.now_ms()) {
        Freshness::Current => (StatusCode::OK, "ok\n"),
        Freshness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting: no snapshot yet\n"),
        Freshness::Old => (StatusCode::SERVICE_UNAVAILABLE, "stopped: the last snapshot is too old\n"),
    }
}

impl ConsoleState {
    fn now_ms(&self) -> i64 {
        self.clock.now().utc.0
    }
}
