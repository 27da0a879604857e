//! The routes that change something: acknowledge and shelve, from the page (forms, answered with a
//! redirect or the page with the error on it) and from the command line (JSON).

use super::request::{PersonName, RequestError, SHELVE_MINUTES_MAX, SiteRequest, ask};
use super::{ConsoleState, Reader, alarm_page};
use crate::texts::Language;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;
use std::time::Duration;

/// How long a redirect waits for the next snapshot, so that the page a person comes back to already
/// shows what they did.
const NEXT_SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(super) struct Acknowledgement {
    by: String,
}

#[derive(Deserialize)]
pub(super) struct Shelving {
    by: String,
    minutes: u32,
}

pub(super) async fn acknowledge_form(
    State(state): State<ConsoleState>,
    Reader(language): Reader,
    Path(alarm): Path<u64>,
    Form(form): Form<Acknowledgement>,
) -> Response {
    let outcome = acknowledge(&state, alarm, &form.by).await;
    back(state, alarm, outcome, language).await
}

pub(super) async fn shelve_form(
    State(state): State<ConsoleState>,
    Reader(language): Reader,
    Path(alarm): Path<u64>,
    Form(form): Form<Shelving>,
) -> Response {
    let outcome = shelve(&state, alarm, &form.by, form.minutes).await;
    back(state, alarm, outcome, language).await
}

pub(super) async fn acknowledge_json(
    State(state): State<ConsoleState>,
    Path(alarm): Path<u64>,
    Json(body): Json<Acknowledgement>,
) -> Response {
    json(acknowledge(&state, alarm, &body.by).await)
}

pub(super) async fn shelve_json(
    State(state): State<ConsoleState>,
    Path(alarm): Path<u64>,
    Json(body): Json<Shelving>,
) -> Response {
    json(shelve(&state, alarm, &body.by, body.minutes).await)
}

async fn acknowledge(state: &ConsoleState, alarm: u64, by: &str) -> Result<(), RequestError> {
    let by = PersonName::parse(by)?.into_string();
    ask(&state.requests, |reply| SiteRequest::Acknowledge { alarm, by, reply }).await
}

async fn shelve(state: &ConsoleState, alarm: u64, by: &str, minutes: u32) -> Result<(), RequestError> {
    let by = PersonName::parse(by)?.into_string();
    if !(1..=SHELVE_MINUTES_MAX).contains(&minutes) {
        return Err(RequestError::BadSpan);
    }
    ask(&state.requests, |reply| SiteRequest::Shelve { alarm, by, minutes, reply }).await
}

async fn back(
    mut state: ConsoleState,
    alarm: u64,
    outcome: Result<(), RequestError>,
    language: Language,
) -> Response {
    match outcome {
        Ok(()) => {
            // Late or never is no fault of the request: the page then shows the change a refresh later.
            let _ = tokio::time::timeout(NEXT_SNAPSHOT_TIME_MAX, state.view.changed()).await;
            Redirect::to(&format!("/?lang={}", language.code())).into_response()
        }
        Err(error) => {
            let view = state.view.borrow().clone();
            let page = alarm_page::alarm_page(&view, alarm, Some(error), language);
            let page = page.unwrap_or_else(|| alarm_page::no_such_alarm(language));
            (status(error), page).into_response()
        }
    }
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
        RequestError::UnknownAlarm => StatusCode::NOT_FOUND,
        RequestError::NotNow => StatusCode::CONFLICT,
        RequestError::BadName | RequestError::BadSpan => StatusCode::UNPROCESSABLE_ENTITY,
        RequestError::NotKept => StatusCode::INTERNAL_SERVER_ERROR,
        RequestError::Busy | RequestError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        RequestError::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
    }
}
