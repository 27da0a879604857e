//! The routes that change something: acknowledge, shelve, repair, maintain, from the page (forms, answered
//! with a redirect or the page with the error on it) and from the command line (JSON).

use super::care_page::Refused;
use super::request::{Act, LabelAct, LabelWish, RequestError, ask, ask_of_label, ask_of_stock, mark_down};
use super::{ConsoleState, Freshness, Reader, alarm_page, care_page, frame};
use crate::texts::Language;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;
use std::time::Duration;

/// How long a redirect waits for the next snapshot, so that the page a person comes back to already
/// shows what they did.
const NEXT_SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(2);

/// What a person typed or chose; what an act does not need stays away.
#[derive(Deserialize)]
pub(super) struct Wish {
    by: String,
    #[serde(default)]
    minutes: u32,
    /// Reference of a repair, or note of an inspection.
    #[serde(default)]
    remark: String,
}

pub(super) async fn alarm_form(
    State(mut state): State<ConsoleState>,
    Reader(language): Reader,
    Path((alarm, act)): Path<(u64, String)>,
    Form(form): Form<Wish>,
) -> Response {
    match on_alarm(&state, alarm, &act, &form).await {
        Ok(()) => back(&mut state, "/", language).await,
        Err(error) => {
            let view = state.view.borrow().clone();
            let freshness = Freshness::of(&view, state.now_ms());
            let refused = Refused { error, by: &form.by };
            let page = alarm_page::alarm_page(&view, alarm, Some(refused), freshness, language);
            let page = page.unwrap_or_else(|| alarm_page::no_such_alarm(language));
            (status(error), page).into_response()
        }
    }
}

pub(super) async fn device_form(
    State(mut state): State<ConsoleState>,
    Reader(language): Reader,
    Path((device, act)): Path<(String, String)>,
    Form(form): Form<Wish>,
) -> Response {
    match on_device(&state, device.clone(), &act, &form).await {
        Ok(()) => {
            let page = format!("/devices/{}", frame::segment(&device));
            back(&mut state, &page, language).await
        }
        Err(error) => {
            let view = state.view.borrow().clone();
            let Some(device) = view.devices.iter().find(|known| known.id == device) else {
                return super::missing(Reader(language)).await;
            };
            let freshness = Freshness::of(&view, state.now_ms());
            let refused = Some(Refused { error, by: &form.by });
            let page = care_page::care_page(&view, device, refused, freshness, language);
            (status(error), page).into_response()
        }
    }
}

pub(super) async fn alarm_json(
    State(state): State<ConsoleState>,
    Path((alarm, act)): Path<(u64, String)>,
    Json(body): Json<Wish>,
) -> Response {
    json(on_alarm(&state, alarm, &act, &body).await)
}

pub(super) async fn device_json(
    State(state): State<ConsoleState>,
    Path((device, act)): Path<(String, String)>,
    Json(body): Json<Wish>,
) -> Response {
    json(on_device(&state, device, &act, &body).await)
}

pub(super) async fn inspected_form(
    State(mut state): State<ConsoleState>,
    Reader(language): Reader,
    Form(form): Form<Wish>,
) -> Response {
    match inspected(&state, &form).await {
        Ok(()) => back(&mut state, "/", language).await,
        Err(error) => {
            (status(error), frame::notice(care_page::error_text(error, language), language)).into_response()
        }
    }
}

pub(super) async fn inspected_json(State(state): State<ConsoleState>, Json(body): Json<Wish>) -> Response {
    json(inspected(&state, &body).await)
}

pub(super) async fn label_json(
    State(state): State<ConsoleState>,
    Path((label, act)): Path<(String, String)>,
    Json(body): Json<LabelWish>,
) -> Response {
    json(match LabelAct::of(&act, &body) {
        Ok(act) => ask_of_label(&state.shelf_requests, label, act, &body.by).await,
        Err(error) => Err(error),
    })
}

/// Which item, and who says so.
#[derive(Deserialize)]
pub(super) struct StockWish {
    item: String,
    by: String,
}

pub(super) async fn stock_json(
    State(state): State<ConsoleState>,
    Path(act): Path<String>,
    Json(StockWish { item, by }): Json<StockWish>,
) -> Response {
    let is_out = match act.as_str() {
        "out" => true,
        "in" => false,
        _ => return json(Err(RequestError::UnknownAct)),
    };
    json(ask_of_stock(&state.shelf_requests, item, is_out, &by).await)
}

/// The body is a `SignedBatch`, of which `storewarden price markdown` makes one.
pub(super) async fn markdown(State(state): State<ConsoleState>, body: Bytes) -> Response {
    match mark_down(&state.shelf_requests, body.to_vec()).await {
        Ok(Ok(())) => json(Ok(())),
        Ok(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
        Err(error) => json(Err(error)),
    }
}

async fn inspected(state: &ConsoleState, wish: &Wish) -> Result<(), RequestError> {
    ask(&state.requests, Act::inspected(&wish.remark)?, &wish.by).await
}

async fn on_alarm(state: &ConsoleState, alarm: u64, act: &str, wish: &Wish) -> Result<(), RequestError> {
    ask(&state.requests, Act::on_alarm(act, alarm, wish.minutes, &wish.remark)?, &wish.by).await
}

async fn on_device(state: &ConsoleState, device: String, act: &str, wish: &Wish) -> Result<(), RequestError> {
    ask(&state.requests, Act::on_device(act, device, wish.minutes)?, &wish.by).await
}

async fn back(state: &mut ConsoleState, page: &str, language: Language) -> Response {
    // Late or never is no fault of the request: the page then shows the change a refresh later.
    let _ = tokio::time::timeout(NEXT_SNAPSHOT_TIME_MAX, state.view.changed()).await;
    Redirect::to(&format!("{page}?lang={}", language.code())).into_response()
}

fn json(outcome: Result<(), RequestError>) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            let body = serde_json::json!({ "error": error.name(), "message": error.to_string() });
            (status(error), Json(body)).into_response()
        }
    }
}

fn status(error: RequestError) -> StatusCode {
    match error {
        RequestError::UnknownAlarm
        | RequestError::UnknownDevice
        | RequestError::UnknownLabel
        | RequestError::UnknownItem
        | RequestError::UnknownGateway
        | RequestError::UnknownAct => StatusCode::NOT_FOUND,
        RequestError::NotNow => StatusCode::CONFLICT,
        RequestError::BadName | RequestError::BadSpan | RequestError::BadRemark => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        RequestError::NotKept => StatusCode::INTERNAL_SERVER_ERROR,
        RequestError::Busy | RequestError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        RequestError::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
    }
}
