//! What is done to disks: small ones of their own that become full or read-only, and a write-ahead log
//! whose tail is torn.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// How often a full disk is tried, while others write to it.
const TRIES: usize = 50;

/// A file system in memory, mounted; unmounted when dropped.
pub struct Disk {
    dir: PathBuf,
    /// With room, as an option of `mount`.
    size: &'static str,
}

impl Disk {
    /// Mounts one at `dir`, which must be there; `size` as in `32m`. None if this user may not.
    pub fn mount(dir: &Path, size: &'static str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "storesim-chaos"]).arg(dir);
        let status = mount.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then(|| Self { dir: dir.to_owned(), size })
    }

    /// Leaves it no larger than what is on it, so that not one page more finds room.
    pub fn fill(&self) -> io::Result<()> {
        let mut said = Ok(());
        for _ in 0..TRIES {
            let disk = rustix::fs::statvfs(&self.dir)?;
            // 0 would be as large as the memory.
            let used = (disk.f_blocks - disk.f_bfree).max(1) * disk.f_frsize;
            // Refused if there is more on it by now.
            said = self.remount(&format!("size={used}"));
            if said.is_ok() {
                break;
            }
        }
        said
    }

    /// Gives the room back.
    pub fn free(&self) -> io::Result<()> {
        self.remount(&format!("size={}", self.size))
    }

    /// Takes no more writes, or does again. An error while a file on it is open for writing, as the
    /// kernel has it.
    pub fn set_read_only(&self, read_only: bool) -> io::Result<()> {
        self.remount(if read_only { "ro" } else { "rw" })
    }

    fn remount(&self, option: &str) -> io::Result<()> {
        let mut mount = Command::new("mount");
        let output = mount.args(["-o", &format!("remount,{option}")]).arg(&self.dir).output()?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(io::Error::other(format!("{}: remount,{option}: {why}", self.dir.display())))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still reads from it may end first.
        let _ = Command::new("umount").arg("-l").arg(&self.dir).stderr(Stdio::null()).status();
    }
}

/// Length of the header of a write-ahead log, and of that of each frame, bytes
/// (<https://www.sqlite.org/fileformat.html#the_write_ahead_log>).
const LOG_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;

/// Tears the tail of the write-ahead log at `path`, as a power cut does: of what follows the last commit
/// `share` of 1,000 stays, and half a frame of rubbish follows. What is committed is not touched: it
/// was on the disk (`synchronous=FULL`) before anybody heard of it. Returns how many bytes went.
pub fn tear(path: &Path, share: u64) -> io::Result<u64> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let Some((committed, frame)) = committed(&mut file, length)? else { return Ok(0) };
    let kept = committed + (length - committed) * share.min(1000) / 1000;
    file.set_len(kept)?;
    file.seek(SeekFrom::End(0))?;
    // Bytes that are neither a salt nor a checksum.
    let rubbish = vec![0xA5; usize::try_from(frame / 2).unwrap_or(0)];
    file.write_all(&rubbish)?;
    Ok(length - kept)
}

/// Where the last frame of a commit of this log ends, and how long a frame is, bytes. Frames are told
/// by the log's salts alone, so rather too much is taken for committed. None without a whole header.
fn committed(file: &mut File, length: u64) -> io::Result<Option<(u64, u64)>> {
    if length < LOG_HEADER_BYTES {
        return Ok(None);
    }
    let word = |bytes: &[u8], at: usize| {
        bytes[at..at + 4].iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
    };
    let mut header = [0; 32];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let frame = FRAME_HEADER_BYTES + word(&header, 8);
    let mut end = LOG_HEADER_BYTES;
    let mut at = LOG_HEADER_BYTES;
    while at + frame <= length {
        let mut own = [0; 24];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut own)?;
        if own[8..16] != header[16..24] {
            break;
        }
        at += frame;
        // The size of the database after a commit; 0 in the frames before.
        if word(&own, 4) != 0 {
            end = at;
        }
    }
    Ok(Some((end, frame)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use std::fs;

    #[test]
    fn a_disk_is_full_and_read_only_and_whole_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let Some(disk) = Disk::mount(dir.path(), "1m") else { return };
        let write = |name: &str| fs::write(dir.path().join(name), [1; 9000]).map_err(|error| error.kind());
        assert_eq!(write("a"), Ok(()));
        disk.fill().expect("fills");
        assert_eq!(write("b"), Err(ErrorKind::StorageFull));
        disk.free().expect("frees");
        disk.set_read_only(true).expect("locks");
        assert_eq!(write("b"), Err(ErrorKind::ReadOnlyFilesystem));
        disk.set_read_only(false).expect("unlocks");
        assert_eq!(write("b"), Ok(()));
        assert_eq!(fs::read(dir.path().join("a")).expect("reads"), [1; 9000]);
    }

    #[test]
    fn a_torn_tail_costs_nothing_that_was_committed() {
        for share in [0, 500, 1000] {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("a.sqlite");
            let db = Connection::open(&path).expect("opens");
            db.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA cache_size = 1; PRAGMA cache_spill = 1; CREATE TABLE t (x);
                 INSERT INTO t VALUES (1);",
            )
            .expect("writes");
            // Not committed, and so much that it is in the log.
            db.execute_batch(
                "BEGIN; WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5000)
                 INSERT INTO t SELECT randomblob(400) FROM n;",
            )
            .expect("writes");
            // As they lie there at the moment of the power cut.
            let cut = dir.path().join("b.sqlite");
            for suffix in ["", "-wal"] {
                let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
                fs::copy(name(&path), name(&cut)).expect("copies");
            }
            let log = dir.path().join("b.sqlite-wal");
            let before = fs::metadata(&log).expect("is there").len();
            let gone = tear(&log, share).expect("tears");
            assert_eq!(gone == 0, share == 1000);
            assert!(share != 0 || gone > before / 2, "{gone} of {before}");
            let db = Connection::open(&cut).expect("opens");
            let count: i64 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("reads");
            assert_eq!(count, 1);
            let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("reads");
            assert_eq!(check, "ok");
        }
    }
}
