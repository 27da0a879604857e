//! The command line of `storewarden replay`.

use super::{Moment, Player, Recording, explain, first_look, replay, write_json, write_line};
use crate::config::Config;
use crate::failure::Failure;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use storewarden_rules::{Class, SiteFull};

/// Run recorded readings through the rules of this store and print each alarm change.
#[derive(Args)]
pub struct Replay {
    /// The store's configuration.
    #[arg(long, default_value = "store.toml")]
    config: PathBuf,
    /// Judge by the shipped rules of this class instead, without a configuration: freezer, chiller or
    /// cold_room. The columns are then `time,air_temperature` and what there is of power,
    /// `evaporator_temperature`, `ambient_temperature`, `set_point`, door, defrost, compressor, fan.
    #[arg(long, conflicts_with = "config", value_parser = cabinet_class)]
    class: Option<Class>,
    /// First column `time` (RFC 3339), other columns points such as `freezer-2/air_temperature`;
    /// an empty cell is no reading.
    #[arg(long)]
    csv: PathBuf,
    /// Tell what was known of a device at a moment, and why each alarm was or was not there, instead of
    /// the changes: freezer-2@2018-06-03T01:20:00Z. With --class the device has the class's name.
    #[arg(long, value_name = "DEVICE@TIME", conflicts_with = "json")]
    explain: Option<Moment>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

fn cabinet_class(text: &str) -> Result<Class, String> {
    let known = || Class::ALL.into_iter().filter(|class| class.is_refrigeration());
    known().find(|class| class.name() == text).ok_or_else(|| {
        let names: Vec<_> = known().map(Class::name).collect();
        format!("`{text}` keeps nothing cold; write one of {}", names.join(", "))
    })
}

impl Replay {
    /// Does it.
    pub fn run(&self) -> Result<(), Failure> {
        let wrong = |message: String| Failure::Input(format!("{}: {message}\n", self.csv.display()));
        let full = |full: SiteFull| Failure::outcome(full);
        let open = || File::open(&self.csv).map_err(|error| wrong(format!("cannot be read: {error}")));
        match self.class {
            Some(class) => {
                let recording = first_look::read(class, open()?).map_err(|error| wrong(error.to_string()))?;
                let assembled = first_look::assemble(class, &recording).map_err(full)?;
                self.play(Player::new(assembled, chrono_tz::UTC, &recording), &recording)
            }
            None => {
                let config = Config::load(&self.config).map_err(|faults| Failure::config(&faults))?;
                let recording =
                    Recording::read(&config, open()?).map_err(|error| wrong(error.to_string()))?;
                self.play(Player::of_store(&config, &recording).map_err(full)?, &recording)
            }
        }
    }

    fn play(&self, player: Player<'_>, recording: &Recording) -> Result<(), Failure> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        if let Some(moment) = &self.explain {
            let names = player.names();
            let told = explain(player, moment, &mut out).ok_or_else(|| {
                let known: Vec<_> = names.devices().map(|(_, device)| device.id.as_str()).collect();
                let device = &moment.device;
                Failure::Input(format!("there is no device `{device}`; write one of {}\n", known.join(", ")))
            })?;
            told.and_then(|()| out.flush()).map_err(Failure::output)?;
            return Ok(());
        }
        let mut changes = 0_u64;
        replay(player, |names, event| {
            changes += 1;
            if self.json { write_json(&mut out, names, event) } else { write_line(&mut out, names, event) }
        })
        .and_then(|()| out.flush())
        .map_err(Failure::output)?;
        eprintln!("{} rows judged, {changes} alarm changes", recording.rows.len());
        Ok(())
    }
}
