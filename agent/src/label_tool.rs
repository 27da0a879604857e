//! `storewarden label`: what the labels show and what is to be done about them, asked of the running agent.

use crate::ask::{ask, get, load};
use crate::failure::Failure;
use crate::label_preview::{self, Preview};
use crate::texts::{Language, words};
use serde::Deserialize;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// What can be done with labels.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Every label with its place, item, price and state.
    List {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// Only the work list: labels about which somebody should do something.
        #[arg(long)]
        work: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Bind a label to an item. It stays bound over restarts, whatever the configuration says.
    Bind {
        #[command(flatten)]
        on: OnLabel,
        /// The item's code, as in the price table.
        #[arg(long)]
        item: String,
        /// Where it hangs, e.g. "shelf 4, label 17".
        #[arg(long)]
        place: Option<String>,
        /// The gateway it is behind; needed for a new label where there are several.
        #[arg(long)]
        gateway: Option<String>,
    },
    /// Take its item from a label: it shows nothing.
    Unbind(OnLabel),
    /// Let another label take over item and place, as when one is broken.
    Swap {
        #[command(flatten)]
        on: OnLabel,
        /// The new label.
        #[arg(long)]
        with: String,
    },
    /// Let the labels of an item say that it is out of stock, also after a restart, until `in-stock`.
    OutOfStock(OfItem),
    /// Let them show its price again.
    InStock(OfItem),
    /// Let a label blink, so that it is found.
    Find(OnLabel),
    /// Draw a label, or every model and purpose. Exit code 2 if an item does not fit.
    Preview(Box<Preview>),
}

/// Which label, and who asks.
#[derive(clap::Args)]
pub struct OnLabel {
    /// Tag id, as printed on the label.
    #[arg(long)]
    label: String,
    /// The store's configuration.
    #[arg(long, default_value = "store.toml")]
    config: PathBuf,
    /// Who asks.
    #[arg(long)]
    by: String,
}

/// Which item, and who says so.
#[derive(clap::Args)]
pub struct OfItem {
    /// The item's code, as in the price table.
    #[arg(long)]
    item: String,
    /// The store's configuration.
    #[arg(long, default_value = "store.toml")]
    config: PathBuf,
    /// Who says so.
    #[arg(long)]
    by: String,
}

impl OfItem {
    fn ask(&self, act: &str) -> Result<(), Failure> {
        let body = serde_json::json!({ "item": self.item, "by": self.by });
        ask(&load(&self.config)?, &format!("stock/{act}"), &body)?;
        let says = if act == "out" { "out of stock" } else { "in stock" };
        println!("item {}: {says}, by {}", self.item, self.by);
        Ok(())
    }
}

impl Command {
    /// Asks the agent.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { config, work, json } => list(&get(&load(&config)?, "view")?, work, json),
            Self::Bind { on, item, place, gateway } => {
                on.ask("bind", serde_json::json!({ "item": item, "place": place, "gateway": gateway }))
            }
            Self::Unbind(on) => on.ask("unbind", serde_json::json!({})),
            Self::Swap { on, with } => on.ask("swap", serde_json::json!({ "with": with })),
            Self::Preview(preview) => label_preview::run(&preview),
            Self::Find(on) => on.ask("find", serde_json::json!({})),
            Self::OutOfStock(of) => of.ask("out"),
            Self::InStock(of) => of.ask("in"),
        }
    }
}

impl OnLabel {
    fn ask(&self, act: &str, mut body: serde_json::Value) -> Result<(), Failure> {
        if self.label.is_empty() || !self.label.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Failure::Input(format!("{:?} is no id of a label\n", self.label)));
        }
        body["by"] = self.by.as_str().into();
        ask(&load(&self.config)?, &format!("labels/{}/{act}", self.label), &body)?;
        println!("label {}: {act} by {}", self.label, self.by);
        Ok(())
    }
}

#[derive(Deserialize)]
struct View {
    labels: Vec<serde_json::Value>,
}

fn list(view: &str, work: bool, json: bool) -> Result<(), Failure> {
    let view: View = serde_json::from_str(view).map_err(Failure::outcome)?;
    let mut labels = view.labels;
    labels.retain(|label| !work || !label["job"].is_null());
    let text = |label: &serde_json::Value, key: &str| label[key].as_str().unwrap_or_default().to_owned();
    labels.sort_by_key(|label| (text(label, "place"), text(label, "label")));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for label in &labels {
        if json {
            writeln!(out, "{label}").map_err(Failure::output)?;
            continue;
        }
        let text = |key| text(label, key);
        let place = if text("place").is_empty() { "-".to_owned() } else { text("place") };
        let (state, job) = (text("state"), text("job"));
        let what = match job.as_str() {
            "" => words::label_state(&state, Language::En),
            job => words::label_job(job, Language::En),
        };
        let what =
            if label["is_out_of_stock"] == true { format!("{what}; out of stock") } else { what.to_owned() };
        let ready = if label["is_ready"] == true { "; has the next price" } else { "" };
        let (id, item, price) = (text("label"), text("item"), text("price"));
        writeln!(out, "{place}: label {id}: {item} {price}: {what}{ready}").map_err(Failure::output)?;
    }
    if labels.is_empty() && !json {
        let none = if work { "nothing to do" } else { "no labels" };
        writeln!(out, "{none}").map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)
}
