//! What people do about equipment, and what was learnt of it: repairs, maintenance, inspections.

use super::meter::Meter;
use rusqlite::{Connection, OptionalExtension, params};
use storewarden_proto::v1;
use storewarden_rules::{Service, Utc};

/// Finished repairs and inspections kept; the oldest go first.
const KEPT_MAX: i64 = 1000;

/// A repair of what an alarm is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Number of the alarm it began with.
    pub alarm: u64,
    /// What the repair service calls it.
    pub reference: String,
    /// Who ordered it.
    pub by: String,
    /// When it began.
    pub since: Utc,
    /// How often it was said that it takes too long.
    pub escalation: u8,
    /// Who said that it is finished, and when.
    pub fixed: Option<(String, Utc)>,
}

impl Repair {
    /// As it travels.
    pub fn message(&self) -> v1::Repair {
        let (fixed_by, fixed_at) = self.fixed.clone().unwrap_or_default();
        v1::Repair {
            reference: self.reference.clone(),
            by: self.by.clone(),
            since_ms: self.since.0,
            escalation: self.escalation.into(),
            fixed_by,
            fixed_ms: fixed_at.0,
        }
    }
}

/// Remembers the repair of that alarm as it is now.
pub fn record_repair(
    connection: &Connection,
    device: &str,
    condition: &str,
    repair: &Repair,
    meter: Meter,
) -> rusqlite::Result<()> {
    let (fixed_by, fixed_ms) = repair.fixed.as_ref().map(|(by, at)| (by, at.0)).unzip();
    let known = connection.execute(
        "UPDATE repair SET escalation = ?3, fixed_by = ?4, fixed_ms = ?5
         WHERE device = ?1 AND condition = ?2 AND fixed_ms IS NULL",
        params![device, condition, repair.escalation, fixed_by, fixed_ms],
    )?;
    if known == 0 {
        connection.execute(
            "INSERT INTO repair (alarm, device, condition, reference, by, since_ms, escalation, fixed_by, fixed_ms,
             since_at_meter) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                repair.alarm.cast_signed(),
                device,
                condition,
                repair.reference,
                repair.by,
                repair.since.0,
                repair.escalation,
                fixed_by,
                fixed_ms,
                meter.shown_at(repair.since),
            ],
        )?;
    }
    connection.execute(
        "DELETE FROM repair WHERE fixed_ms IS NOT NULL AND id NOT IN
         (SELECT id FROM repair WHERE fixed_ms IS NOT NULL ORDER BY id DESC LIMIT ?1)",
        [KEPT_MAX],
    )?;
    Ok(())
}

/// Repairs that are not finished: device, condition, repair, and when it began by the present clock.
pub fn open_repairs(
    connection: &Connection,
    meter: Meter,
) -> rusqlite::Result<Vec<(String, String, Repair, Utc)>> {
    let mut statement = connection.prepare(
        "SELECT device, condition, alarm, reference, by, since_ms, escalation, since_at_meter FROM repair
         WHERE fixed_ms IS NULL",
    )?;
    let rows = statement.query_map([], |row| {
        let repair = Repair {
            alarm: row.get::<_, i64>(2)?.cast_unsigned(),
            reference: row.get(3)?,
            by: row.get(4)?,
            since: Utc(row.get(5)?),
            escalation: row.get(6)?,
            fixed: None,
        };
        Ok((row.get(0)?, row.get(1)?, repair, meter.stamp(row.get(7)?)))
    })?;
    rows.collect()
}

/// Remembers whether a device is watched, and who decided that.
pub fn record_service(
    connection: &Connection,
    device: &str,
    service: Service,
    by: &str,
    meter: Meter,
) -> rusqlite::Result<()> {
    let until = match service {
        Service::InUse => {
            connection.execute("DELETE FROM service WHERE device = ?1", [device])?;
            return Ok(());
        }
        Service::Maintenance { until } => Some(meter.shown_at(until)),
        Service::OutOfService => None,
    };
    connection.execute("INSERT OR REPLACE INTO service VALUES (?1, ?2, ?3)", params![device, until, by])?;
    Ok(())
}

/// Devices that are in maintenance or out of service, by the present clock, and who decided that.
pub fn services(connection: &Connection, meter: Meter) -> rusqlite::Result<Vec<(String, Service, String)>> {
    let mut statement = connection.prepare("SELECT device, until_at_meter, by FROM service")?;
    let rows = statement.query_map([], |row| {
        let service = match row.get::<_, Option<i64>>(1)? {
            Some(until) => Service::Maintenance { until: meter.stamp(until) },
            None => Service::OutOfService,
        };
        Ok((row.get(0)?, service, row.get(2)?))
    })?;
    rows.collect()
}

/// The refrigeration was checked by hand.
pub fn record_inspection(connection: &Connection, at: Meter, by: &str, note: &str) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO inspection (at_ms, by, note, at_meter) VALUES (?1, ?2, ?3, ?4)",
        params![at.utc.0, by, note, at.shows],
    )?;
    let newest = connection.last_insert_rowid();
    connection.execute("DELETE FROM inspection WHERE id <= ?1", [newest - KEPT_MAX])?;
    Ok(())
}

/// When the refrigeration was last checked by hand; before the first, when the agent first ran. By the
/// present clock.
pub fn last_inspection(connection: &Connection, meter: Meter) -> rusqlite::Result<Option<Utc>> {
    let last = "SELECT coalesce((SELECT max(at_meter) FROM inspection), (SELECT begun_ms FROM meter))";
    let shown: Option<i64> = connection.query_row(last, [], |row| row.get(0))?;
    Ok(shown.map(|shown| meter.stamp(shown)))
}

/// Remembers what was learnt of a cabinet.
pub fn record_learnt(connection: &Connection, device: &str, numbers: &[f32]) -> rusqlite::Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    connection.execute("INSERT OR REPLACE INTO learnt VALUES (?1, ?2)", params![device, bytes])?;
    Ok(())
}

/// What was learnt of a cabinet; none if it was nothing, or by a version that learnt other numbers.
pub fn learnt<const N: usize>(connection: &Connection, device: &str) -> rusqlite::Result<Option<[f32; N]>> {
    let bytes: Option<Vec<u8>> = connection
        .query_row("SELECT numbers FROM learnt WHERE device = ?1", [device], |row| row.get(0))
        .optional()?;
    let Some(bytes) = bytes.filter(|bytes| bytes.len() == 4 * N) else { return Ok(None) };
    let mut numbers = [f32::NAN; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *number = f32::from_le_bytes(*bytes);
    }
    Ok(Some(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The meter shows 70 when the clock shows 5.
    const LATER: Meter = Meter { utc: Utc(5), shows: 70 };

    fn journal() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        db
    }

    #[test]
    fn a_repair_is_open_until_it_is_finished_and_the_next_is_another() {
        let db = journal();
        let mut repair = Repair {
            alarm: 7,
            reference: "R-12".into(),
            by: "li".into(),
            since: Utc(5),
            ..Repair::default()
        };
        record_repair(&db, "freezer-1", "goods_warm", &repair, LATER).unwrap();
        repair.escalation = 1;
        record_repair(&db, "freezer-1", "goods_warm", &repair, LATER).unwrap();
        // The clock has been set since, and the agent stood still for a while.
        let open = open_repairs(&db, Meter { utc: Utc(1000), shows: 80 }).unwrap();
        assert_eq!(open, [("freezer-1".to_owned(), "goods_warm".to_owned(), repair.clone(), Utc(1000 - 10))]);
        repair.fixed = Some(("wang".into(), Utc(9)));
        record_repair(&db, "freezer-1", "goods_warm", &repair, LATER).unwrap();
        assert_eq!(open_repairs(&db, LATER).unwrap(), []);
        let next = Repair { alarm: 8, ..Repair::default() };
        record_repair(&db, "freezer-1", "goods_warm", &next, LATER).unwrap();
        let count: i64 = db.query_row("SELECT count(*) FROM repair", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2);
    }

    #[test]
    fn services_and_inspections_are_read_back() {
        let db = journal();
        let maintenance = Service::Maintenance { until: Utc(77) };
        record_service(&db, "a", maintenance, "li", LATER).unwrap();
        record_service(&db, "b", Service::OutOfService, "wang", LATER).unwrap();
        record_service(&db, "c", Service::OutOfService, "wang", LATER).unwrap();
        record_service(&db, "c", Service::InUse, "wang", LATER).unwrap();
        let expected =
            [("a".into(), maintenance, "li".into()), ("b".into(), Service::OutOfService, "wang".into())];
        assert_eq!(services(&db, LATER).unwrap(), expected);

        let then = Meter { utc: Utc(1000), shows: 80 };
        assert_eq!(last_inspection(&db, then).unwrap(), None);
        db.execute("INSERT INTO meter VALUES (30, 30)", []).unwrap();
        assert_eq!(last_inspection(&db, then).unwrap(), Some(Utc(950)), "counted from the first start");
        record_inspection(&db, LATER, "li", "").unwrap();
        assert_eq!(last_inspection(&db, then).unwrap(), Some(Utc(1000 - 10)));
    }

    #[test]
    fn what_was_learnt_is_read_back_bit_by_bit_and_only_in_its_own_length() {
        let db = journal();
        assert!(learnt::<2>(&db, "a").unwrap().is_none());
        record_learnt(&db, "a", &[1.5, f32::NAN]).unwrap();
        let back = learnt::<2>(&db, "a").unwrap().unwrap();
        assert_eq!(back.map(f32::to_bits), [1.5, f32::NAN].map(f32::to_bits));
        assert!(learnt::<3>(&db, "a").unwrap().is_none());
    }
}
