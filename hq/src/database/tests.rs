//! An empty database of each kind, and what both must do.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// An empty database, gone when dropped.
pub(crate) struct Empty {
    pub(crate) place: Place,
    _dir: Option<tempfile::TempDir>,
    schema: Option<(pg::Config, String)>,
}

impl Empty {
    /// One of each kind.
    pub(crate) fn each() -> [Self; 2] {
        [Self::sqlite(), Self::postgres()]
    }

    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("hq.sqlite").to_str().unwrap().to_owned();
        Self { place: Place { db, db_password_file: None }, _dir: Some(dir), schema: None }
    }

    /// A schema of its own in the server of `$STOREWARDEN_POSTGRES`.
    pub(crate) fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let address = std::env::var("STOREWARDEN_POSTGRES").expect(
            "STOREWARDEN_POSTGRES is not set: start a server with `scripts/postgres start DIR` and set it to the address that prints",
        );
        let config: pg::Config = address.parse().unwrap();
        let schema = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut client = config.connect(pg::NoTls).unwrap();
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).unwrap();
        let db = format!("{address}&options=-c%20search_path%3D{schema}");
        Self { place: Place { db, db_password_file: None }, _dir: None, schema: Some((config, schema)) }
    }

    pub(crate) fn open(&self) -> Database {
        self.place.open().unwrap()
    }

    pub(crate) fn count(&self, what: &str) -> i64 {
        self.open().query(&format!("SELECT count(*) FROM {what}"), &[]).unwrap()[0].get(0).unwrap()
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        if let Some((config, schema)) = &self.schema
            && let Ok(mut client) = config.connect(pg::NoTls)
        {
            let _ = client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE"));
        }
    }
}

#[test]
fn a_service_waits_for_its_server_and_not_for_a_wrong_address() {
    let there = Empty::postgres();
    let (config, _) = there.schema.as_ref().unwrap();
    let pg::config::Host::Unix(socket) = &config.get_hosts()[0] else { panic!("not a socket") };
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = |db: &str| Place {
        db: db.replace(socket.to_str().unwrap(), dir.path().to_str().unwrap()),
        db_password_file: None,
    };
    let place = elsewhere(&there.place.db);
    assert!(matches!(place.open(), Err(OpenError::Failed { .. })), "who asks once is told at once");
    let waiting = std::thread::spawn(move || place.open_when_there().map(drop));
    std::thread::sleep(Duration::from_millis(100));
    std::os::unix::fs::symlink(socket.join(".s.PGSQL.5432"), dir.path().join(".s.PGSQL.5432")).unwrap();
    waiting.join().unwrap().unwrap();
    let nobody = elsewhere(&there.place.db.replace("/storewarden?", "/nothing-of-this-name?"));
    assert!(matches!(nobody.open_when_there(), Err(OpenError::Failed { .. })));
}

const REFUSED: Table = Table {
    name: "refused",
    columns: &[
        ("received_ms", Type::Integer),
        ("topic", Type::Text),
        ("reason", Type::Text),
        ("payload", Type::Bytes),
    ],
    conflict: "",
};

#[test]
fn every_value_comes_back_as_it_went_in() {
    for empty in Empty::each() {
        let mut database = empty.open();
        let samples = Table {
            name: "sample",
            columns: &[
                ("point", Type::Integer),
                ("at_ms", Type::Integer),
                ("value", Type::Real),
                ("quality", Type::Integer),
            ],
            conflict: "",
        };
        let add =
            "INSERT INTO point (chain, store, device, point, unit) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";
        let point: i64 = database
            .transaction(|transaction| {
                let rows = transaction.query(add, &values!["c", "s", "冷柜\0", "p'\"$1", ""])?;
                rows[0].get(0)
            })
            .unwrap();
        let rows: Vec<_> = [None, Some(-18.4), Some(f64::MAX), Some(0.0)]
            .into_iter()
            .map(|value| values![point, i64::MIN, value, -1].to_vec())
            .collect();
        let refused = values![i64::MAX, "t", "", vec![0u8, 255].as_slice()].to_vec();
        database
            .transaction(|transaction| {
                transaction.insert(&samples, &rows)?;
                transaction.insert(&REFUSED, std::slice::from_ref(&refused))
            })
            .unwrap();
        let sql = "SELECT point, at_ms, value, quality FROM sample ORDER BY id";
        let found: Vec<_> = database.query(sql, &[]).unwrap().into_iter().map(|row| row.0).collect();
        assert_eq!(found, rows);
        let sql = "SELECT received_ms, topic, reason, payload FROM refused";
        assert_eq!(database.query(sql, &[]).unwrap()[0].0, refused);
        let names = database.query("SELECT device, point FROM point", &[]).unwrap();
        assert_eq!(names[0].get::<String>(0).unwrap(), "冷柜\u{fffd}", "NUL is no text in PostgreSQL");
        assert_eq!(names[0].get::<String>(1).unwrap(), "p'\"$1");
        assert!(names[0].get::<i64>(0).is_err() && names[0].get::<String>(2).is_err());
    }
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    for empty in Empty::each() {
        let mut database = empty.open();
        let row = values![1, "t", "r", b"p".as_slice()].to_vec();
        let failed = database.transaction(|transaction| {
            transaction.insert(&REFUSED, std::slice::from_ref(&row))?;
            transaction.execute("INSERT INTO nowhere VALUES (?1)", &values![1])
        });
        assert!(failed.unwrap_err().to_string().contains("nowhere"));
        assert_eq!(empty.count("refused"), 0);
        database.transaction(|transaction| transaction.insert(&REFUSED, std::slice::from_ref(&row))).unwrap();
        assert_eq!(empty.count("refused"), 1);
    }
}

#[test]
fn what_comes_late_under_a_low_number_is_not_passed_over() {
    for empty in Empty::each() {
        let row = |n: i64| values![n, "t", "r", b"p".as_slice()].to_vec();
        let mut database = empty.open();
        let mut horizon = Horizon::of("refused");
        horizon.look(&mut database).unwrap();
        database.transaction(|transaction| transaction.insert(&REFUSED, &[row(1)])).unwrap();
        assert_eq!(safe_at_last(&mut horizon, &mut database, 1), 1);
        if !database.is_shared() {
            continue;
        }
        let mut slow = empty.open();
        slow.transaction(|transaction| {
            transaction.insert(&REFUSED, &[row(2)])?;
            // Another is quicker, and has the higher number.
            database.transaction(|transaction| transaction.insert(&REFUSED, &[row(3)]))?;
            let highest = database.query("SELECT max(id) FROM refused", &[])?;
            assert_eq!(highest[0].get::<i64>(0)?, 3);
            for _ in 0..3 {
                assert_eq!(horizon.look(&mut database)?, 1, "2 is still to come");
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(safe_at_last(&mut horizon, &mut database, 3), 3);
    }
}

/// How far a table is complete, looked at until it is `expected`: a server counts the transactions of all
/// its databases, and other tests have theirs under way.
fn safe_at_last(horizon: &mut Horizon, database: &mut Database, expected: i64) -> i64 {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let safe = horizon.look(database).unwrap();
        if safe == expected || Instant::now() > until {
            return safe;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_lost_connection_is_made_anew() {
    let empty = Empty::postgres();
    let (mut database, mut other) = (empty.open(), empty.open());
    let process: i64 =
        database.query("SELECT CAST(pg_backend_pid() AS bigint)", &[]).unwrap()[0].get(0).unwrap();
    let end = "SELECT pg_terminate_backend(CAST(CAST(?1 AS bigint) AS int))";
    other.query(end, &values![process]).unwrap();
    let mut tries = 0;
    while let Err(error) = database.transaction(|transaction| transaction.query("SELECT 1", &[])) {
        tries += 1;
        assert!(tries < 5, "{error}");
    }
    assert!(tries > 0, "it was not lost");
}

#[test]
fn a_database_of_version_3_is_brought_up_and_says_which_numbers_have_come() {
    let empty = Empty::sqlite();
    let old = rusqlite::Connection::open(&empty.place.db).unwrap();
    old.execute_batch(include_str!("schema.sql")).unwrap();
    old.execute_batch(include_str!("3.sql")).unwrap();
    old.pragma_update(None, "user_version", 3).unwrap();
    old.execute("INSERT INTO influx_cursor VALUES ('there', 7)", []).unwrap();
    for seq in [1, 2, 5, 7, 8, 9] {
        old.execute("INSERT INTO message VALUES ('c', 's', 9, 1, ?, 0, 0, 0, x'')", [seq]).unwrap();
    }
    old.execute("INSERT INTO contiguous VALUES ('c', 's', 9, 1, 2), ('c', 's', 9, 4, 0)", []).unwrap();
    drop(old);
    let mut new = empty.open();
    let numbers = new.query("SELECT seq, beyond FROM contiguous ORDER BY stream", &[]).unwrap();
    let numbers: Vec<_> = numbers.into_iter().map(|row| row.0).collect();
    assert_eq!(numbers, [values![2, "5-5,7-9"].to_vec(), values![0, ""].to_vec()]);
    assert_eq!(empty.count("influx_cursor WHERE sample = 7"), 1);
    assert_eq!(empty.count("command"), 0);
}

#[test]
fn a_database_of_version_2_is_brought_up_too() {
    let empty = Empty::sqlite();
    let old = rusqlite::Connection::open(&empty.place.db).unwrap();
    old.execute_batch(include_str!("schema.sql")).unwrap();
    old.pragma_update(None, "user_version", 2).unwrap();
    drop(old);
    assert_eq!(empty.count("export_refused"), 0);
    assert_eq!(empty.count("command"), 0);
}

#[test]
fn a_database_of_version_4_keeps_its_batches_and_proofs() {
    let rows = "INSERT INTO batch VALUES (DIGEST1, 'k', 'team', 7, 1, 0, 0, DIGEST1), (DIGEST2, 'k', 'root', 2, 0, 0, 0, DIGEST2);
        INSERT INTO label_shown VALUES ('k', 's', 'A1', 7, 'water', 200, 'CNY', 3, 9, '');";
    let (lite, shared) = (Empty::sqlite(), Empty::postgres());
    let old = rusqlite::Connection::open(&lite.place.db).unwrap();
    for step in [include_str!("schema.sql"), include_str!("3.sql"), include_str!("4.sql")] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(&rows.replace("DIGEST1", "x'01'").replace("DIGEST2", "x'02'")).unwrap();
    old.pragma_update(None, "user_version", 4).unwrap();
    drop(old);
    let (config, schema) = shared.schema.as_ref().unwrap();
    let mut client = config.connect(pg::NoTls).unwrap();
    client.batch_execute(&format!("SET search_path = {schema}")).unwrap();
    client.batch_execute(include_str!("postgres.sql")).unwrap();
    client.batch_execute("INSERT INTO schema_version VALUES (4)").unwrap();
    client.batch_execute(&rows.replace("DIGEST1", "'a'").replace("DIGEST2", "'b'")).unwrap();
    drop(client);
    for empty in [lite, shared] {
        let mut database = empty.open();
        let batches = database.query("SELECT campaign, is_list FROM batch ORDER BY number", &[]).unwrap();
        let batches: Vec<_> = batches.into_iter().map(|row| row.0).collect();
        assert_eq!(batches, [values!["root-2", 1].to_vec(), values!["team-7", 0].to_vec()]);
        assert_eq!(empty.count("label_shown WHERE batch = 7 AND key_id = '' AND price_minor = 200"), 1);
        drop(database);
        assert_eq!(empty.open().query("SELECT 1 FROM batch", &[]).unwrap().len(), 2, "and opens again");
    }
}

#[test]
fn a_database_of_another_version_is_refused_in_words() {
    for empty in Empty::each() {
        let mut database = empty.open();
        match &mut database {
            Database::Sqlite(connection) => connection.pragma_update(None, "user_version", 99).unwrap(),
            Database::Postgres(_) => {
                let newer = "UPDATE schema_version SET version = 99";
                database.transaction(|transaction| transaction.execute(newer, &[])).map(drop).unwrap();
            }
        }
        let refused = empty.place.open().map(drop).unwrap_err().to_string();
        assert!(refused.contains("schema version 99") && refused.contains("--db"), "{refused}");
    }
}

#[test]
fn a_place_that_cannot_be_says_what_to_do_and_keeps_the_password_to_itself() {
    let refused = |db: &str, db_password_file: Option<&str>| {
        let place = Place { db: db.to_owned(), db_password_file: db_password_file.map(PathBuf::from) };
        place.open().map(drop).unwrap_err().to_string()
    };
    assert!(refused("/no/such/dir.sqlite", None).contains("--db"));
    let unreachable = refused("postgres://hq:geheim@127.0.0.1:1/prices", None);
    assert!(unreachable.contains("postgres://hq@127.0.0.1:1/prices"), "{unreachable}");
    assert!(!unreachable.contains("geheim"), "{unreachable}");
    assert!(refused("postgres://h/d?nonsense=1", None).contains("write postgres://USER"));
    assert!(refused("postgres://u@h/d", Some("/no/such/file")).contains("--db-password-file"));
    assert!(refused("postgres://u@h/d?sslmode=require", None).contains("TLS is not built in"));
}

#[test]
fn several_that_find_nothing_make_the_tables_once() {
    for _ in 0..10 {
        for empty in Empty::each() {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| empty.open());
                }
            });
            assert_eq!(empty.count("alert"), 0);
        }
    }
}
