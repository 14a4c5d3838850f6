//! The log directories of a broker (`log.dirs`) and which of them are lost.
//!
//! | a disk call fails below | then |
//! |---|---|
//! | one of several directories | that one is lost until the broker starts again; the broker goes on with the others |
//! | the first, where the metadata log is | the broker halts |
//! | the only one | the broker halts |
//!
//! What is in a lost directory is not touched again. Its replicas are offline: whoever asks for one is
//! answered KAFKA_STORAGE_ERROR, nobody follows or leads it here, and the controller is told with the next
//! heartbeat (KIP-858), so that others lead. A broker that cannot tell for `log.dir.failure.timeout.ms`
//! stops. With ZooKeeper it leaves a notification, and the controller asks it which replicas it means
//! (KIP-112).
//!
//! Invariants: once lost, a directory has no call made below it.
//!
//! Simplified: the first directory is `data`, and the metadata log is there (`metadata.log.dir` cannot be
//! set). Kafka looks at a failure in a thread of its own, a moment later; here when the input that met it
//! is done. A broker with one directory tells no id of it. In Kafka (3.7) it has one: after its disk was
//! replaced it may not be elected until it has told where its replicas are, and then nobody elects before
//! the next periodic election (seen on 4.3.1: 290 s in `last-leader-disk-wiped`); here it is elected at once.
//! Source: KIP-112, KIP-858, `LogDirFailureChannel`, `ReplicaManager.handleLogDirFailure`, `LogManager`.
//! Next: `replicas.rs`; `assignments.rs`, which tells the controller what is where.

use super::Broker;
use super::shared::Shared;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::machine::{Effects, StartError};
use crate::partition::Refusal;
use crate::raft::{DirectoryId, directory_id};
use crate::random::Random;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::Now;
use bytes::Bytes;

/// The disk as the broker's directories divide it.
pub(super) struct LogDirs {
    disk: Box<dyn Storage>,
    directories: Vec<LogDir>,
    /// A broker goes on without a directory (KIP-112).
    may_survive: bool,
    /// It cannot go on.
    is_over: bool,
    /// Lost and not dealt with: name and error.
    news: Vec<(String, String)>,
}

/// One directory.
struct LogDir {
    name: String,
    /// Its id, if the controller is told of it.
    id: Option<DirectoryId>,
    online: bool,
}

impl LogDirs {
    /// The directories of these names, the first one for the metadata log.
    ///
    /// # Errors
    /// The first one failed, or one has no id that can be read.
    pub(super) fn start(
        disk: Box<dyn Storage>,
        names: &[String],
        rules: Rules,
        mut random: Random,
    ) -> Result<Self, StartError> {
        let directory = |name: &String| LogDir {
            name: name.clone(),
            id: None,
            online: true,
        };
        let mut dirs = Self {
            disk,
            directories: names.iter().map(directory).collect(),
            may_survive: rules.log_dir_failure_survived,
            is_over: false,
            news: Vec::new(),
        };
        if names.len() > 1 && rules.log_dir_failure_told {
            for (at, name) in names.iter().enumerate() {
                let new = (u128::from(random.draw()) << 64) | u128::from(random.draw());
                let id = match directory_id(&mut dirs, name, DirectoryId(new)) {
                    Err(StartError::Storage(error)) => dirs.survive(Err(error))?,
                    other => Some(other?),
                };
                if let Some(one) = dirs.directories.get_mut(at) {
                    one.id = id;
                }
            }
        }
        Ok(dirs)
    }

    /// The directories that can be used, in the order of `log.dirs`.
    pub(super) fn online(&self) -> impl Iterator<Item = &str> {
        let online = self.directories.iter().filter(|one| one.online);
        online.map(|one| one.name.as_str())
    }

    /// Whether one is lost.
    pub(super) fn any_lost(&self) -> bool {
        self.directories.iter().any(|one| !one.online)
    }

    /// The id of the directory that a path is below.
    pub(super) fn id_of(&self, path: &str) -> Option<DirectoryId> {
        let at = self.index_of(path)?;
        self.directories.get(at)?.id
    }

    /// The directory with this id, if it can be used.
    pub(super) fn online_with(&self, id: DirectoryId) -> Option<&str> {
        let mut online = self.directories.iter().filter(|one| one.online);
        let found = online.find(|one| one.id == Some(id));
        found.map(|one| one.name.as_str())
    }

    /// The ids of those that can be used, sorted, as a registration names them.
    pub(super) fn online_ids(&self) -> Vec<DirectoryId> {
        let online = self.directories.iter().filter(|one| one.online);
        let mut ids: Vec<_> = online.filter_map(|one| one.id).collect();
        ids.sort_unstable();
        ids
    }

    /// What a failed call means: `None` if one directory of several is lost with it.
    ///
    /// # Errors
    /// The broker cannot go on.
    pub(super) fn survive<T>(
        &mut self,
        done: Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let error = match done {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        if let StorageError::Malformed(path) = &error
            && let Some(at) = self.index_of(path)
        {
            self.lose(at, &error);
        }
        if self.is_over || !self.any_lost() || matches!(error, StorageError::NotFound(_)) {
            return Err(error);
        }
        Ok(None)
    }

    fn index_of(&self, path: &str) -> Option<usize> {
        let is_below = |one: &LogDir| {
            let rest = path.strip_prefix(one.name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.directories.iter().position(is_below)
    }

    fn lose(&mut self, at: usize, why: &StorageError) {
        self.is_over |= at == 0 || !self.may_survive || self.directories.len() == 1;
        if let Some(one) = self.directories.get_mut(at).filter(|one| one.online) {
            one.online = false;
            self.news.push((one.name.clone(), why.to_string()));
        }
    }

    /// Makes a call below `path`, if that can still be used.
    fn call<T>(
        &mut self,
        path: &str,
        call: impl FnOnce(&mut dyn Storage) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.directories.len() == 1 {
            return call(self.disk.as_mut());
        }
        let at = self.index_of(path);
        let directory = at.and_then(|at| self.directories.get(at));
        if directory.is_some_and(|one| !one.online) {
            return Err(StorageError::Io(format!("{path}, which is lost")));
        }
        let done = call(self.disk.as_mut());
        if let (Some(at), Err(error @ (StorageError::Io(_) | StorageError::Full(_)))) = (at, &done)
        {
            self.lose(at, error);
        }
        done
    }
}

impl Storage for LogDirs {
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, StorageError> {
        self.call(path, |disk| disk.append(path, bytes))
    }

    fn read(&mut self, path: &str, position: u64, length: usize) -> Result<Bytes, StorageError> {
        self.call(path, |disk| disk.read(path, position, length))
    }

    fn length(&mut self, path: &str) -> Result<u64, StorageError> {
        self.call(path, |disk| disk.length(path))
    }

    fn truncate(&mut self, path: &str, length: u64) -> Result<(), StorageError> {
        self.call(path, |disk| disk.truncate(path, length))
    }

    fn flush(&mut self, path: &str) -> Result<(), StorageError> {
        self.call(path, |disk| disk.flush(path))
    }

    fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError> {
        self.call(directory, |disk| disk.flush_directory(directory))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.call(from, |disk| disk.rename(from, to))
    }

    fn delete(&mut self, path: &str) -> Result<(), StorageError> {
        self.call(path, |disk| disk.delete(path))
    }

    fn list(&mut self, directory: &str) -> Result<Vec<String>, StorageError> {
        self.call(directory, |disk| disk.list(directory))
    }

    fn exists(&mut self, path: &str) -> Result<bool, StorageError> {
        self.call(path, |disk| disk.exists(path))
    }
}

impl Shared {
    /// How a request about a replica in a directory that was just lost is refused.
    pub(super) fn refuse_lost(&mut self, error: StorageError) -> Result<ErrorCode, StorageError> {
        self.survive::<()>(Err(error))?;
        Ok(ErrorCode::KafkaStorageError)
    }

    /// As [`LogDirs::survive`].
    pub(super) fn survive<T>(
        &mut self,
        done: Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        self.storage.survive(done)
    }
}

impl Refusal {
    /// The answer to the client.
    pub(super) fn code(self, shared: &mut Shared) -> Result<ErrorCode, StorageError> {
        match self {
            Self::Code(error) => Ok(error),
            Self::Storage(error) => shared.refuse_lost(error),
        }
    }
}

impl Broker {
    /// Deals with directories that were lost meanwhile: their replicas are offline.
    pub(super) fn directories_lost(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        while let Some((directory, error)) = self.shared.storage.news.pop() {
            let partitions = self.replicas.take_offline(&directory);
            out.observe(Event::LogDirectoryFailed {
                directory: directory.clone(),
                error,
                partitions: partitions.clone(),
            });
            for partition in &partitions {
                self.leave(partition);
                self.flushed_at.remove(partition);
            }
            for fetcher in self.fetchers.each() {
                fetcher.retire_if_idle();
            }
            self.wake_each(now, &partitions, out)?;
            if self.zookeeper.is_some() {
                self.note_lost_directory(now, out);
            } else if let Some(id) = self.shared.storage.id_of(&directory) {
                let timeout = self.shared.config.log_dir_failure_timeout;
                self.lifecycle.directory_lost(id, now.monotonic, timeout);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_storage::MemoryStorage;

    fn dirs(names: &[&str], rules: Rules) -> LogDirs {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let disk = Box::new(MemoryStorage::new());
        LogDirs::start(disk, &names, rules, Random::stream(1, "log dirs")).unwrap()
    }

    fn failed(path: &str) -> Result<(), StorageError> {
        Err(StorageError::Malformed(path.to_owned()))
    }

    #[test]
    fn one_of_several_is_lost_alone_and_the_first_takes_the_broker_with_it() {
        let mut two = dirs(&["data", "data2"], Rules::default());
        assert_eq!(two.online_ids().len(), 2);
        assert_eq!(two.survive(failed("data2/x")), Ok(None));
        assert_eq!(two.online().collect::<Vec<_>>(), ["data"]);
        assert!(
            two.append("data2/x", b"1").is_err(),
            "it is not touched again"
        );
        assert!(two.append("data/x", b"1").is_ok());
        assert!(two.survive(failed("data/x")).is_err());
    }

    #[test]
    fn a_name_that_begins_with_anothers_is_another_directory() {
        let two = dirs(&["data", "data2"], Rules::default());
        assert_eq!(two.index_of("data2/t-0"), Some(1));
        assert_eq!(two.index_of("data/t-0"), Some(0));
        assert_eq!(two.index_of("data3"), None);
    }

    #[test]
    fn the_only_one_is_the_end_and_so_was_any_before_kip_112() {
        let mut one = dirs(&["data"], Rules::default());
        assert!(one.survive(failed("data/x")).is_err());
        let mut old = dirs(&["data", "data2"], Rules::kafka("0.11").unwrap());
        assert!(old.survive(failed("data2/x")).is_err());
    }

    #[test]
    fn a_directory_keeps_its_id() {
        let names = ["data".to_owned(), "data2".to_owned()];
        let mut disk = MemoryStorage::new();
        let known = DirectoryId(1 << 64);
        let text = format!("directory.id={known}\nversion=1\n");
        disk.replace("data2/meta.properties", text.as_bytes())
            .unwrap();
        let random = Random::stream(1, "log dirs");
        let dirs = LogDirs::start(Box::new(disk), &names, Rules::default(), random).unwrap();
        assert_eq!(dirs.id_of("data2/t-0"), Some(known));
        assert_eq!(dirs.online_with(known), Some("data2"));
        assert!(dirs.id_of("data").is_some_and(|id| id != known));
    }
}
