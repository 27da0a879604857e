//! The images that labels should show, drawn by `storewarden label preview`: another process than the agent, which
//! knows nothing but the item and its price.

use super::price_team::yuan;
use super::prices::Offer;
use super::store::{GTIN, UNIT, label, name};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    io,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Draws the image of each offer; its SHA-256, hex, by the price. Files stand in `dir` for a moment.
pub fn draw(storewarden: &Path, dir: &Path, offers: &[Offer]) -> io::Result<HashMap<i64, String>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut drawn = Vec::new();
        while let Some(offer) = offers.get(next.fetch_add(1, Ordering::Relaxed)) {
            drawn.push((offer.price, draw_one(storewarden, dir, offer)?));
        }
        io::Result::Ok(drawn)
    };
    let count = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        let mut all = HashMap::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| io::Error::other("a thread that draws has died"))??);
        }
        Ok(all)
    })
}

fn draw_one(storewarden: &Path, dir: &Path, offer: &Offer) -> io::Result<String> {
    let out = dir.join(format!("picture-{}.png", offer.price));
    let item = serde_json::json!({
        "gtin": GTIN, "name": name(offer.label), "unit": UNIT, "currency": "CNY", "price": yuan(offer.price),
    });
    let purpose = if offer.is_promotion { "promotion" } else { "regular" };
    let mut preview = Command::new(storewarden);
    preview.args(["label", "preview", "--label", &label(offer.label), "--purpose", purpose, "--out"]);
    let output = preview.arg(&out).args(["--item", &item.to_string()]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "label preview of {item}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let png = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    Ok(Sha256::digest(png).iter().map(|byte| format!("{byte:02x}")).collect())
}
