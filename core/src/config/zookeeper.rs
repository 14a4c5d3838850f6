//! Settings of the servers of ZooKeeper.

use super::settings;
use std::time::Duration;

settings! {
    /// A ZooKeeper server's settings. Those that have no default (`initLimit`, `syncLimit`) are as in the
    /// example of its manual.
    ZooKeeperConfig {
        /// The unit of its times, in milliseconds.
        tick_time: Duration = "tickTime", "2000";
        /// Ticks that a leader and its followers have to come together.
        init_limit: u32 = "initLimit", "5";
        /// Ticks that a follower may be silent.
        sync_limit: u32 = "syncLimit", "2";
        /// Transactions between two snapshots.
        snap_count: usize = "snapCount", "100000";
    }
}
