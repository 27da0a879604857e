//! The price team, and those who would like to be it: a thread that does one order after the other, each for as
//! long as headquarters' database or the broker is away.
//!
//! The team pushes with `storewarden-hq price push`. The others sign with a key that is not the team's, or
//! publish to the store past headquarters what the team signed: for another store, changed, or once more.

use super::LIMIT;
use super::fields::varint;
use super::order::{Forgery, Order, Pushed, price_minor};
use super::records::{Database, first_batch};
use super::store::{CHAIN, GTIN, KEY, STORE, UNIT, item, name};
use super::utc_ms;
use std::{
    ffi::OsString,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Id and file of the key that no store knows.
const INTRUDER: &str = "intruder";
/// A store that is not ours.
const OTHER_STORE: &str = "0002";
/// What is written over [`UNIT`] behind the price team's back; as long as that.
const TAMPERED_UNIT: &str = "551 ml";
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(300);

/// Where the price team works.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Keys and tables.
    pub dir: PathBuf,
    /// `storewarden-hq`.
    pub headquarters: PathBuf,
    /// What its `--db` is told.
    pub address: OsString,
    /// The same, to be read.
    pub database: Database,
    /// Port of headquarters' broker.
    pub broker: u16,
    /// How many labels there are.
    pub labels: u32,
}

/// As it is written in tables.
pub fn yuan(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// Makes the key of the price team, and that of somebody whom no store knows; the public key of the first, 64 hex
/// digits.
pub fn keygen(dir: &Path, headquarters: &Path) -> io::Result<String> {
    make_key(dir, headquarters, INTRUDER)?;
    make_key(dir, headquarters, KEY)
}

fn make_key(dir: &Path, headquarters: &Path, id: &str) -> io::Result<String> {
    let mut keygen = Command::new(headquarters);
    let output = keygen.args(["price", "keygen", "--id", id, "--out"]).arg(dir).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let public = printed.lines().find_map(|line| line.trim().strip_prefix("public = "));
    public.map(|public| public.trim_matches('"').to_owned()).ok_or_else(|| {
        io::Error::other(format!("price keygen gave no key: {}", String::from_utf8_lossy(&output.stderr)))
    })
}

/// The thread, and what it is given to do.
pub struct PriceTeam {
    orders: SyncSender<Order>,
    work: JoinHandle<io::Result<Vec<Pushed>>>,
}

impl PriceTeam {
    /// A team that takes so many orders in all.
    pub fn start(desk: Desk, orders_max: usize) -> Self {
        let (orders, given) = sync_channel(orders_max);
        Self { orders, work: thread::spawn(move || desk.work(&given)) }
    }

    /// Gives it something to do.
    pub fn take(&self, order: Order) -> io::Result<()> {
        self.orders.try_send(order).map_err(|_| io::Error::other("the price team takes no more orders"))
    }

    /// There is no more to do: [`Work::is_over`] once all is done.
    pub fn close(self) -> Work {
        Work(self.work)
    }
}

/// What a team still does.
pub struct Work(JoinHandle<io::Result<Vec<Pushed>>>);

impl Work {
    /// Whether it has done everything.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// What it did, in order; waits for it.
    pub fn done(self) -> io::Result<Vec<Pushed>> {
        self.0.join().map_err(|_| io::Error::other("the price team has died"))?
    }
}

impl Desk {
    fn work(&self, orders: &Receiver<Order>) -> io::Result<Vec<Pushed>> {
        let mut done = Vec::new();
        while let Ok(order) = orders.recv() {
            let pushed = Pushed { order, at_ms: utc_ms() };
            self.write_table(&pushed)?;
            let end = Instant::now() + LIMIT;
            while let Err(error) = self.carry_out(&order) {
                if Instant::now() > end {
                    return Err(io::Error::other(format!("prices cannot be pushed: {error}")));
                }
                tracing::info!(%error, order = order.number, "pushed once more");
                thread::sleep(PAUSE);
            }
            done.push(pushed);
        }
        Ok(done)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write_table(&self, pushed: &Pushed) -> io::Result<()> {
        let Pushed { order, .. } = pushed;
        let time = |ms| chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339();
        let (kind, until) = match pushed.ends_ms() {
            Some(until) => ("promotion", time(until)),
            None => ("regular", String::new()),
        };
        // A promotion must have both or neither.
        let is_timed = order.after_ms > 0 || order.for_ms > 0;
        let from = if is_timed { time(pushed.begins_ms()) } else { String::new() };
        let mut table = "item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n".to_owned();
        for number in order.first..order.first + order.count {
            let price = yuan(price_minor(order.number, number, self.labels));
            let (item, name) = (item(number), name(number));
            let _ = writeln!(table, "{item},{GTIN},{name},{UNIT},CNY,{price},{kind},{from},{until}");
        }
        std::fs::write(self.path("prices.csv"), table)
    }

    fn carry_out(&self, order: &Order) -> io::Result<()> {
        match order.forgery {
            None => self.push(KEY, KEY, STORE, false),
            Some(Forgery::WrongKey) => self.push(INTRUDER, KEY, STORE, false),
            Some(Forgery::UnknownKey) => self.push(INTRUDER, INTRUDER, STORE, false),
            Some(Forgery::OtherStore) => {
                self.push(KEY, KEY, OTHER_STORE, true)?;
                self.publish(&self.held()?)
            }
            Some(Forgery::Tampered) => {
                self.push(KEY, KEY, STORE, true)?;
                let mut payload = self.held()?;
                for at in 0..payload.len().saturating_sub(UNIT.len()) {
                    if payload[at..].starts_with(UNIT.as_bytes()) {
                        payload[at..at + UNIT.len()].copy_from_slice(TAMPERED_UNIT.as_bytes());
                    }
                }
                self.publish(&payload)
            }
            Some(Forgery::Again) => self.publish(&first_batch(&self.database)?),
        }
    }

    /// Signs the table with `key` under `id`, and queues it at headquarters or puts it aside.
    fn push(&self, key: &str, id: &str, store: &str, is_held: bool) -> io::Result<()> {
        let mut push = Command::new(&self.headquarters);
        push.arg("--db").arg(&self.address).args(["price", "push"]).arg(self.path("prices.csv"));
        push.arg("--key").arg(self.path(&format!("{key}.pem"))).args(["--key-id", id]);
        push.args(["--chain", CHAIN, "--store", store]);
        if is_held {
            let aside = self.path("prices.signed");
            let _ = std::fs::remove_file(&aside);
            push.arg("--hold").arg(aside);
        }
        run(&mut push)
    }

    /// The first batch that was put aside: each has its length before it.
    fn held(&self) -> io::Result<Vec<u8>> {
        let bytes = std::fs::read(self.path("prices.signed"))?;
        let mut rest = bytes.as_slice();
        let length = usize::try_from(varint(&mut rest)?).map_err(io::Error::other)?;
        rest.get(..length).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Publishes a batch to the store, as if it came from headquarters.
    fn publish(&self, payload: &[u8]) -> io::Result<()> {
        let file = self.path("prices.payload");
        std::fs::write(&file, payload)?;
        let topic = format!("storewarden/v1/{CHAIN}/{STORE}/price");
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &self.broker.to_string()]);
        run(publish.args(["-t", &topic, "-f"]).arg(file))
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{}: {why}", command.get_program().display())))
}
