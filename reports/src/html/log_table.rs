//! The final logs as tables: one row per replica, one column per offset, coloured by leader epoch.
//! The first row is what producers were told, so that a loss is seen where it happened.

use super::escape;
use crate::Cell;
use crate::model::World;
use crate::values::{Ack, Values};
use crate::words;
use ktrial_core::{BrokerId, Offset, TopicPartition};
use ktrial_sim::history::FinalRecord;
use ktrial_sim::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// Columns that a table shows at each end of a long log.
const FIRST: usize = 6;
const LAST: usize = 14;

type Replicas = BTreeMap<BrokerId, Vec<FinalRecord>>;

/// A table for each partition.
pub(super) fn tables(cell: &Cell) -> String {
    if cell.verdict.logs.is_empty() {
        return String::new();
    }
    let mut world = World::default();
    for entry in &cell.record.entries {
        world.apply(entry);
    }
    let acks = Values::of(&cell.record).acks;
    let mut html = String::from("<section><h3>Logs at the end</h3>\n");
    for (partition, replicas) in &cell.verdict.logs {
        let acks = acks.iter().filter(|ack| ack.partition == *partition);
        let leader = world
            .partitions
            .get(partition)
            .and_then(|state| state.leader);
        let table = Table {
            verdict: &cell.verdict,
            partition,
            replicas,
            acks: acks.collect(),
            leader,
        };
        html.push_str(&table.html());
    }
    html.push_str("</section>\n");
    html
}

struct Table<'a> {
    verdict: &'a Verdict,
    partition: &'a TopicPartition,
    replicas: &'a Replicas,
    acks: Vec<&'a Ack>,
    leader: Option<BrokerId>,
}

impl Table<'_> {
    fn html(&self) -> String {
        let columns = self.columns();
        let head = columns.iter().map(|column| match column {
            Some(offset) => format!("<th>{offset}</th>"),
            None => "<th>…</th>".to_owned(),
        });
        let head: String = head.collect();
        let mut rows = self.told(&columns);
        for (broker, records) in self.replicas {
            rows.push_str(&self.replica(*broker, records, &columns));
        }
        format!(
            "<div class=\"scroll\"><table class=\"log\">\n<thead><tr><th class=\"corner\">{}</th>\
             {head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n{}",
            escape(&self.partition.to_string()),
            self.epochs()
        )
    }

    /// The offsets shown; `None` stands for those left out.
    fn columns(&self) -> Vec<Option<Offset>> {
        let records = self.replicas.values().flatten().map(|record| record.offset);
        let told = self.acks.iter().map(|ack| ack.offset);
        let offsets: BTreeSet<Offset> = records.chain(told).collect();
        let all: Vec<Option<Offset>> = offsets.into_iter().map(Some).collect();
        if all.len() <= FIRST + LAST {
            return all;
        }
        let (first, last) = (&all[..FIRST], &all[all.len() - LAST..]);
        [first, &[None], last].concat()
    }

    /// What producers were told, lost values struck through.
    fn told(&self, columns: &[Option<Offset>]) -> String {
        let cells = columns.iter().map(|column| {
            let acks = self.acks.iter().filter(|ack| Some(ack.offset) == *column);
            let texts: Vec<String> = acks.map(|ack| self.ack(ack)).collect();
            format!("<td class=\"told\">{}</td>", texts.join(" "))
        });
        let cells: String = cells.collect();
        format!("<tr class=\"told\"><th>acknowledged</th>{cells}</tr>\n")
    }

    fn ack(&self, ack: &Ack) -> String {
        let value = escape(&ack.value);
        if self.is_lost(ack.offset, &ack.value) {
            format!("<span class=\"gone\"><s>{value}</s> lost</span>")
        } else {
            format!("<span>{value}</span>")
        }
    }

    fn is_lost(&self, offset: Offset, value: &str) -> bool {
        self.verdict.lost.iter().any(|lost| {
            lost.topic == self.partition.topic
                && lost.partition == self.partition.partition
                && lost.offset == offset
                && lost.value == value
        })
    }

    fn replica(
        &self,
        broker: BrokerId,
        records: &[FinalRecord],
        columns: &[Option<Offset>],
    ) -> String {
        let at = |offset: Offset| {
            let index = records.binary_search_by_key(&offset, |record| record.offset);
            index.ok().and_then(|index| records.get(index))
        };
        let cells = columns.iter().map(|column| match column.map(at) {
            Some(Some(record)) => self.record(record),
            Some(None) => "<td class=\"none\"></td>".to_owned(),
            None => "<td class=\"none\">…</td>".to_owned(),
        });
        let cells: String = cells.collect();
        let leader = if self.leader == Some(broker) {
            " <small>leader</small>"
        } else {
            ""
        };
        format!("<tr><th>broker {broker}{leader}</th>{cells}</tr>\n")
    }

    fn record(&self, record: &FinalRecord) -> String {
        let value = escape(&record.value);
        let class = epoch_class(record.epoch.0);
        let title = format!("offset {}, leader epoch {}", record.offset, record.epoch);
        if self.is_lost(record.offset, &record.value) {
            format!("<td class=\"{class}\" title=\"{title}\"><s>{value}</s> lost</td>")
        } else {
            format!("<td class=\"{class}\" title=\"{title}\">{value}</td>")
        }
    }

    /// The legend: which epoch starts where, by leader or, without one, the first replica.
    fn epochs(&self) -> String {
        let all = self.verdict.leader_epochs.get(self.partition);
        let of = |id: BrokerId| all.and_then(|all| all.get(&id));
        let first = || self.replicas.keys().next().copied();
        let epochs = self.leader.or_else(first).and_then(of);
        let epochs = epochs.into_iter().flatten().map(|(epoch, start)| {
            let class = epoch_class(*epoch);
            format!("<span class=\"{class}\">leader epoch {epoch} from offset {start}</span>")
        });
        format!(
            "<p class=\"epochs\">{}</p>\n",
            words::list(epochs).replace(", ", " ")
        )
    }
}

fn epoch_class(epoch: i32) -> String {
    format!("epoch e{}", epoch.rem_euclid(6))
}
