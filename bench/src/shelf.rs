//! `labels-flip`, `labels-slow`: a store with 5,000 labels behind an access point.
//!
//! A leaflet is brought to the labels ahead and shown at its minute; single prices are pushed; and with a slow
//! access point it is looked how busy that is kept. What labels show is what the simulated access point says
//! that they truly show, at the time when they do.

use crate::lab::{HqBroker, Lab, Place};
use crate::process;
use crate::report::{Row, percentile};
use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Labels of a large store.
const LABELS: usize = 5_000;
/// From the minute to the last label, s.
const FLIP_S: f64 = 10.0;
/// MB.
const RSS_MB: f64 = 64.0;
/// From the push to the label of an access point that needs no time, ms.
const URGENT_MS: f64 = 500.0;
/// Single prices pushed.
const URGENT: usize = 40;
/// Share of the time in which a slow access point is busy, %.
const BUSY: f64 = 98.0;
/// Labels of the slow one, and the radio time of each, ms.
const SLOW_LABELS: usize = 400;
const SLOW_MS: f64 = 50.0;

const HEADER: &str = "item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n";

fn label(n: usize) -> String {
    format!("3D{n:06}")
}

fn row(n: usize, minor: usize, from: &str) -> String {
    let (yuan, fen) = (minor / 100, minor % 100);
    format!("I{n:05},6901028075763,商品 {n:05},550 ml,CNY,{yuan}.{fen:02},regular,{from},\n")
}

fn table(labels: usize, minor: usize, from: &str) -> String {
    (0..labels).fold(HEADER.to_owned(), |text, n| text + &row(n, minor + n % 100, from))
}

fn simulator(place: &Place, labels: usize, nature: &str) -> String {
    let ids: Vec<_> = (0..labels).map(|n| format!("\"{}\"", label(n))).collect();
    format!(
        "[[gateway]]\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"\nheartbeat = \"2s\"\n{nature}\nlabels = [{}]\n\
         [[bus]]\nlisten = \"127.0.0.1:0\"\nunit = []\n",
        place.lan,
        ids.join(", ")
    )
}

fn store(place: &Place, labels: usize) -> String {
    let head = place.store_toml();
    // No equipment: only labels.
    let mut text = head.split("[[bus]]").next().unwrap_or_default().to_owned();
    let _ = writeln!(
        text,
        "[[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"",
        place.lan
    );
    for n in 0..labels {
        let _ = writeln!(text, "[[label]]\nid = \"{}\"\ngateway = \"shelf\"\nitem = \"I{n:05}\"", label(n));
    }
    text
}

/// When labels truly showed something, ms since 1970.
fn shown(lab: &Lab) -> io::Result<Vec<i64>> {
    let facts = lab.truth()?.into_iter().filter(|fact| fact["event"] == "label_shown");
    Ok(facts.filter_map(|fact| fact["at_ms"].as_i64()).collect())
}

async fn until(
    lab: &mut Lab,
    what: &str,
    limit: Duration,
    mut holds: impl FnMut(&Lab) -> io::Result<bool>,
) -> io::Result<()> {
    let began = Instant::now();
    while !holds(lab)? {
        lab.check()?;
        if began.elapsed() > limit {
            return Err(io::Error::other(format!("in {} s it did not happen that {what}", limit.as_secs())));
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(300);

async fn confirmed(lab: &mut Lab, batches: &str, labels: usize) -> io::Result<()> {
    let labels = i64::try_from(labels).map_err(io::Error::other)?;
    let sql = format!("SELECT count(*) FROM label WHERE proof = 'refreshed' AND {batches}");
    until(lab, "every label shows its price", LIMIT, |lab| Ok(lab.ask_journal(&sql)? == labels)).await
}

/// A leaflet for all labels, ahead of its minute, and single prices.
pub async fn flip() -> io::Result<Vec<Row>> {
    let quick = "airtime_ms = 0\nnature = { channels = 100 }";
    let mut lab = Lab::open(
        HqBroker::Embedded,
        &[],
        |place| simulator(place, LABELS, quick),
        |place| store(place, LABELS),
    )
    .await?;
    lab.start_agent().await?;
    let began = Instant::now();
    lab.push_prices(&table(LABELS, 200, "")).await?;
    confirmed(&mut lab, "true", LABELS).await?;
    let unstaged = began.elapsed().as_secs_f64();

    let minute = chrono::Utc::now() + Duration::from_secs(90);
    lab.push_prices(&table(LABELS, 230, &minute.to_rfc3339())).await?;
    let kept = format!("SELECT count(*) = {LABELS} FROM label_page WHERE kept IS NOT NULL");
    let ahead = Instant::now();
    until(&mut lab, "every label keeps its next price", LIMIT, |lab| Ok(lab.ask_journal(&kept)? == 1))
        .await?;
    let staged = ahead.elapsed().as_secs_f64();
    if chrono::Utc::now() > minute {
        return Err(io::Error::other(
            "the labels had their next price only after its minute: quiet the machine",
        ));
    }
    let before = shown(&lab)?.len();
    until(&mut lab, "every label has turned", LIMIT, |lab| Ok(shown(lab)?.len() >= before + LABELS)).await?;
    let last = shown(&lab)?.into_iter().max().unwrap_or_default();
    let flip_s = (last - minute.timestamp_millis()) as f64 / 1000.0;
    if shown(&lab)?.len() != before + LABELS {
        return Err(io::Error::other("a label was refreshed twice"));
    }
    confirmed(&mut lab, "batch > 2", LABELS).await?;

    let mut urgent = Vec::new();
    for n in 0..URGENT {
        let before = shown(&lab)?.len();
        let pushed = chrono::Utc::now().timestamp_millis();
        lab.push_prices(&(HEADER.to_owned() + &row(n * 7, 900 + n, ""))).await?;
        until(&mut lab, "the price is on its label", LIMIT, |lab| Ok(shown(lab)?.len() > before)).await?;
        urgent.push((shown(&lab)?.into_iter().max().unwrap_or_default() - pushed) as f64);
    }
    let rss = process::highest_mb(lab.agent_id()?)?;
    lab.stop_agent().await?;
    Ok(vec![
        Row::compared(
            "labels-flip",
            "5,000 labels, from the push until all are confirmed",
            &[unstaged],
            "s",
            "not ahead",
        ),
        Row::compared(
            "labels-flip",
            "5,000 labels keep their next price, from the push",
            &[staged],
            "s",
            "ahead of its minute",
        ),
        Row::bounded(
            "labels-flip",
            "from the minute until the last of 5,000 labels shows its price",
            flip_s,
            "s",
            FLIP_S,
        ),
        Row::bounded(
            "labels-flip",
            "one price, from the start of `price push` to its label, slowest of 40",
            percentile(&urgent, 1.0),
            "ms",
            URGENT_MS,
        ),
        Row::compared("labels-flip", "the same, median", &[percentile(&urgent, 0.5)], "ms", "the slowest"),
        Row::bounded(
            "labels-flip",
            "agent with 5,000 labels, highest resident in all that",
            rss,
            "MB",
            RSS_MB,
        ),
    ])
}

/// How busy a slow access point is kept, and that its queue never overruns.
pub async fn slow() -> io::Result<Vec<Row>> {
    let slow = format!("airtime_ms = {SLOW_MS}\nqueue_max = 64");
    let mut lab = Lab::open(
        HqBroker::Embedded,
        &[],
        |place| simulator(place, SLOW_LABELS, &slow),
        |place| store(place, SLOW_LABELS),
    )
    .await?;
    lab.start_agent().await?;
    lab.push_prices(&table(SLOW_LABELS, 200, "")).await?;
    confirmed(&mut lab, "true", SLOW_LABELS).await?;
    let shown = shown(&lab)?;
    lab.stop_agent().await?;
    let (Some(first), Some(last)) = (shown.iter().min(), shown.iter().max()) else {
        return Err(io::Error::other("nothing was shown"));
    };
    let needed = (shown.len() - 1) as f64 * SLOW_MS;
    let busy = 100.0 * needed / (last - first) as f64;
    let what = format!("an access point that needs 50 ms a label is busy, of {SLOW_LABELS} labels' time");
    Ok(vec![
        Row::at_least("labels-slow", what, &[busy], "%", BUSY),
        Row::bounded(
            "labels-slow",
            "labels refreshed more than once (a task lost by a full queue of 64 would be)",
            (shown.len() - SLOW_LABELS) as f64,
            "",
            0.0,
        ),
    ])
}
