//! The whole agent as it ships: its own executable, told by a configuration and a profile of 40 registers
//! (no shipped one has so many) in files, as a store tells it.

use super::REGISTERS;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use storesim::port;
use tokio::process::Command;

/// Builds the agent's executable as it is installed, and says where it is.
pub async fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new(cargo)
        .args(["build", "--profile", "ship", "--quiet", "-p", "storewarden", "--bin", "storewarden"])
        .current_dir(&workspace)
        .status()
        .await?;
    if !status.success() {
        return Err(io::Error::other("the agent cannot be built"));
    }
    // target/release/storewarden-bench, target/ship/storewarden
    let built = std::env::current_exe()?.with_file_name("../ship/storewarden");
    if built.exists() {
        Ok(built)
    } else {
        Err(io::Error::other(format!("{} is not there", built.display())))
    }
}

/// Writes its files into `folder`, for devices at these addresses, polled every `every_ms` ms, and the
/// broker on port `mqtt`; the configuration's path.
pub fn configure(folder: &Path, devices: &[String], every_ms: u32, mqtt: u16) -> io::Result<PathBuf> {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles)?;
    std::fs::write(profiles.join("wide.toml"), profile())?;
    let mut text = format!(
        r#"[store]
chain = "figures"
id = "wide"
timezone = "Asia/Shanghai"
[journal]
path = "journal.sqlite"
[hq]
broker = "mqtt://127.0.0.1:{}"
plaintext = true
ack = "broker"
[console]
listen = "127.0.0.1:{}"
[profiles]
folder = "profiles"
"#,
        mqtt,
        port::free()
    );
    for (index, address) in devices.iter().enumerate() {
        let _ = write!(
            text,
            "[[bus]]\nid = \"bus-{index}\"\ntcp = \"{address}\"\n\
             [[device]]\nid = \"device-{index}\"\nclass = \"freezer\"\nprofile = \"wide\"\nbus = \"bus-{index}\"\n\
             unit = 1\npoll = \"{}ms\"\n",
            every_ms
        );
    }
    let path = folder.join("store.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// One read of 40 registers; the first is the air temperature, which the rules watch.
fn profile() -> String {
    let mut text = String::from(
        "maker = 'figures'\nmodel = 'wide'\nclasses = ['freezer']\nsource = 'figures'\nverified = false\n[modbus]\ntimeout_ms = 1000\n",
    );
    for address in 0..REGISTERS {
        let name = if address == 0 { "air_temperature".to_owned() } else { format!("value_{address}") };
        let _ = write!(
            text,
            "[[point]]\nname = '{name}'\nfunction = 3\naddress = {address}\nkind = 's16'\nscale = 0.1\nunit = '°C'\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden::config::Config;
    use storewarden_drivers::modbus::cost::LineCost;
    use storewarden_drivers::modbus::plan::plan;

    #[test]
    fn the_agent_takes_its_files_and_makes_one_read_of_forty_registers() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = configure(folder.path(), &["127.0.0.1:5020".into()], 0, 1883).expect("files");
        let config = Config::load(&path).expect("a configuration");
        let modbus = config.devices[0].profile.modbus().expect("Modbus");
        let numbered: Vec<_> = modbus.registers.iter().enumerate().collect();
        let reads = plan(modbus, LineCost::Tcp, &numbered, &[]);
        assert_eq!(reads.iter().map(|read| (read.start, read.count)).collect::<Vec<_>>(), [(0, 40)]);
    }
}
