//! What each setting must end in by Kafka's rules, and why. The rows were written from the rules
//! and then tried. Old brokers get a client that retries, as later ones do by default (KIP-91).
//! Those of 0.10.2, 0.11 and 2.0 were written anew after a first trial had shown what the first
//! reasoning left out (fenced followers that hold the high watermark back, the preferred election
//! after 300 s); they have not been held against sources or brokers of those releases.

use Class::{Broken, Kept, Permitted};
use ktrial_sim::verdict::Class;

/// One trial and what it must end in.
pub(crate) struct Row {
    pub(crate) story: Story,
    /// Settings as behind `--set`, with spaces between them.
    pub(crate) set: &'static str,
    pub(crate) unclean: bool,
    /// Every end that the rules leave open; mostly one.
    pub(crate) ends: &'static [End],
    /// Whom each partition without leader waited for when its outage ended.
    pub(crate) waits: &'static [i32],
    pub(crate) why: &'static str,
}

/// Verdict, lost values, the final log (of all replicas, or of each with `|` between them). Values are
/// letters; with several partitions each one ends so.
pub(crate) type End = (Class, &'static str, &'static str);

/// What happens.
#[derive(Clone, Copy)]
pub(crate) struct Story {
    pub(crate) brokers: i32,
    pub(crate) partitions: i32,
    /// How the brokers stop, in the order in which they do: the highest id first.
    pub(crate) stops: &'static [&'static str],
    /// Added to the file.
    pub(crate) world: &'static str,
}

const KILL: Story = Story {
    brokers: 3,
    partitions: 1,
    stops: &["kill", "kill", "kill"],
    world: "",
};
const FIVE: Story = Story {
    brokers: 5,
    stops: &["kill", "kill", "kill", "kill", "kill"],
    ..KILL
};
const THREE_PARTITIONS: Story = Story {
    partitions: 3,
    ..KILL
};
const POWER: Story = Story {
    stops: &["power_loss", "power_loss", "power_loss"],
    ..KILL
};
const POWER_PREFIX: Story = Story {
    world: "[disk]\npower_loss = \"random_prefix\"\n",
    ..POWER
};
/// Two controlled stops, then the leader loses power: KIP-966's "last replica standing".
const LAST_STANDING: Story = Story {
    stops: &["shutdown", "shutdown", "power_loss"],
    ..KILL
};

pub(crate) const ROWS: &[Row] = &[
    // What the flagship itself shows: the two rows that all others are compared with.
    Row {
        story: KILL,
        set: "",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "the ISR was {1} when C was acknowledged, so only broker 1 may lead: nobody leads \
              until it is back, and it has everything",
    },
    Row {
        story: KILL,
        set: "",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "broker 3 is back first and may lead with [A]; the others truncate to its log",
    },
    // acks
    Row {
        story: KILL,
        set: "acks=1",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "acks=1 waits for the leader's log alone, but the leader is broker 1 all the time and \
              nobody else may follow it: what it has is not lost",
    },
    Row {
        story: KILL,
        set: "acks=1",
        unclean: true,
        ends: &[(Permitted, "BC", "AD"), (Permitted, "ABC", "D")],
        waits: &[1, 2, 3],
        why: "as with acks=all, and A too is lost if broker 3 was killed before it had fetched A: the \
              acknowledgement did not wait for it",
    },
    Row {
        story: KILL,
        set: "acks=0",
        unclean: false,
        ends: &[(Kept, "", "ABD"), (Kept, "", "ABCD")],
        waits: &[1],
        why: "the send of C ends when it is handed to the network; the next step kills broker 1 at \
              once, so C may never arrive. Nothing was acknowledged, so nothing counts as lost",
    },
    Row {
        story: KILL,
        set: "acks=0",
        unclean: true,
        ends: &[(Kept, "", "D"), (Kept, "", "AD")],
        waits: &[1, 2, 3],
        why: "broker 3 leads with what it had fetched when it was killed, which is A or nothing; \
              records are gone, but none that was acknowledged",
    },
    // min.insync.replicas
    Row {
        story: KILL,
        set: "min.insync.replicas=2",
        unclean: false,
        ends: &[(Kept, "", "ABD")],
        waits: &[1],
        why: "C is refused (NOT_ENOUGH_REPLICAS) by an ISR of {1} until its delivery times out, so it \
              is not acknowledged. Broker 2 stays in the ELR but was killed, so it leaves the ELR at \
              its return; broker 1 is elected as the last known leader",
    },
    Row {
        story: KILL,
        set: "min.insync.replicas=2",
        unclean: true,
        ends: &[(Permitted, "B", "AD")],
        waits: &[1, 2, 3],
        why: "broker 3 may lead with [A] although brokers 1 and 2 in the ELR have B; C was refused, so \
              only B is lost. D is taken when broker 2 has joined the ISR",
    },
    // Five brokers
    Row {
        story: FIVE,
        set: "",
        unclean: false,
        ends: &[(Kept, "", "ABCDEF")],
        waits: &[1],
        why: "each record is on fewer brokers than the one before, but broker 1 has them all",
    },
    Row {
        story: FIVE,
        set: "",
        unclean: true,
        ends: &[(Permitted, "BCDE", "AF")],
        waits: &[1, 2, 3, 4, 5],
        why: "broker 5 went first and leads first, with [A]",
    },
    Row {
        story: FIVE,
        set: "min.insync.replicas=3",
        unclean: false,
        ends: &[(Kept, "", "ABCF")],
        waits: &[1],
        why: "C is acknowledged by {1, 2, 3}; D and E are refused, for the ISR has two members and one",
    },
    Row {
        story: FIVE,
        set: "min.insync.replicas=3",
        unclean: true,
        ends: &[(Permitted, "BC", "AF")],
        waits: &[1, 2, 3, 4, 5],
        why: "of the acknowledged A, B and C broker 5 has only A",
    },
    // Three partitions, each with another preferred leader
    Row {
        story: THREE_PARTITIONS,
        set: "",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "leaderships move with each stop, always to a member of the ISR; broker 1 leads all three \
              in the end, and all of them wait for it",
    },
    Row {
        story: THREE_PARTITIONS,
        set: "",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "broker 3 leads all three partitions with [A], also the ones it never led before",
    },
    Row {
        story: THREE_PARTITIONS,
        set: "min.insync.replicas=2",
        unclean: true,
        ends: &[(Permitted, "B", "AD")],
        waits: &[1, 2, 3],
        why: "C is refused in all three partitions, B is acknowledged by {1, 2} and not on broker 3",
    },
    // Power loss
    Row {
        story: POWER,
        set: "",
        unclean: false,
        ends: &[(Permitted, "ABC", "D")],
        waits: &[1],
        why: "Kafka does not flush before it acknowledges: every log is empty after the power is back. \
              Broker 1 is elected as the last known leader all the same, for it alone may",
    },
    Row {
        story: POWER,
        set: "",
        unclean: true,
        ends: &[(Permitted, "ABC", "D")],
        waits: &[1, 2, 3],
        why: "broker 3 leads with an empty log; so would any other",
    },
    Row {
        story: POWER,
        set: "flush.messages=1",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "each replica flushes a record before it answers for it: power loss is like a kill",
    },
    Row {
        story: POWER,
        set: "flush.messages=1",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "flushing does not make broker 3 know what it never had",
    },
    Row {
        story: POWER_PREFIX,
        set: "",
        unclean: false,
        ends: &[
            (Permitted, "ABC", "D"),
            (Permitted, "BC", "AD"),
            (Permitted, "C", "ABD"),
            (Kept, "", "ABCD"),
        ],
        waits: &[1],
        why: "broker 1 leads with the prefix of [A, B, C] that had reached its platter, whatever it is: \
              recovery cuts a torn batch off",
    },
    Row {
        story: POWER_PREFIX,
        set: "",
        unclean: true,
        ends: &[(Permitted, "ABC", "D"), (Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "broker 3 leads with the prefix of [A] that had reached its platter",
    },
    Row {
        story: POWER_PREFIX,
        set: "flush.messages=1",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "nothing is dirty after an append, so there is nothing to lose a part of",
    },
    Row {
        story: POWER_PREFIX,
        set: "flush.messages=1",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "as after a kill",
    },
    // Power loss of the last leader only
    Row {
        story: LAST_STANDING,
        set: "min.insync.replicas=2",
        unclean: false,
        ends: &[(Kept, "", "ABD")],
        waits: &[1, 2],
        why: "broker 2 left the ISR below min.insync.replicas, so it is in the ELR, and as it stopped \
              cleanly it leads when it is back: the leader's lost page cache costs nothing",
    },
    Row {
        story: LAST_STANDING,
        set: "min.insync.replicas=2 rules.elr=false",
        unclean: false,
        ends: &[(Broken, "AB", "D")],
        waits: &[1],
        why: "without ELR the ISR keeps its last member whatever it lost: broker 1 leads with an empty \
              log and brokers 2 and 3, which had A and B, truncate to it. That is the last replica \
              standing of KIP-966; one unclean stop is fewer than min.insync.replicas, so it breaks \
              the promise",
    },
    Row {
        story: LAST_STANDING,
        set: "",
        unclean: false,
        ends: &[(Permitted, "ABC", "D")],
        waits: &[1],
        why: "with min.insync.replicas=1 one unclean stop is enough for a loss: an ISR of {1} is large \
              enough, so nobody else was ever in the ELR",
    },
    // Rules by themselves
    Row {
        story: KILL,
        set: "rules.elr=false",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "without ELR the ISR is never empty: it stays {1}, and broker 1 leads when it is back",
    },
    Row {
        story: KILL,
        set: "rules.elr=false",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "an unclean election asks nobody's ISR or ELR",
    },
    Row {
        story: KILL,
        set: "rules.elr=false min.insync.replicas=2",
        unclean: false,
        ends: &[(Kept, "", "ABD")],
        waits: &[1],
        why: "C is refused with or without ELR; the ISR stays {1}",
    },
    Row {
        story: KILL,
        set: "rules.unclean_shutdown_check=false",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "broker 1 stays in the ELR at its return and is elected from there",
    },
    Row {
        story: KILL,
        set: "rules.unclean_shutdown_check=false",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "broker 3 is back long before that check could matter",
    },
    Row {
        story: KILL,
        set: "rules.unclean_shutdown_check=false min.insync.replicas=2",
        unclean: false,
        ends: &[(Kept, "", "ABD")],
        waits: &[1, 2],
        why: "broker 2 stays in the ELR although it was killed: it leads when it is back, with [A, B]",
    },
    Row {
        story: POWER,
        set: "rules.unclean_shutdown_check=false min.insync.replicas=2",
        unclean: false,
        ends: &[(Permitted, "AB", "D")],
        waits: &[1, 2],
        why: "broker 2 leads from the ELR with an empty log; three unclean stops are more than \
              min.insync.replicas=2 can bear",
    },
    // Releases
    Row {
        story: KILL,
        set: "kafka.release=0.10.2 retries=2147483647",
        unclean: false,
        ends: &[(Kept, "", "ABCD"), (Permitted, "", "ABCCD")],
        waits: &[1],
        why: "broker 1 has everything. Before KIP-841 a fenced follower that had caught up less than \
              replica.lag.time.max.ms (10 s then) ago holds the high watermark back, and nothing moves \
              it on when that time is over: C may be sent, and written, again after 30 s",
    },
    Row {
        story: KILL,
        set: "kafka.release=0.10.2 retries=2147483647 broker.session.timeout.ms=18000",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "broker 2 is fenced long after it was last caught up, so C is acknowledged at once. \
              Brokers 2 and 3 truncate to their high watermarks and fetch the rest again",
    },
    Row {
        story: KILL,
        set: "kafka.release=0.10.2 retries=2147483647",
        unclean: true,
        ends: &[(Broken, "CD", "AB|AD|AD")],
        waits: &[1, 2, 3],
        why: "broker 1 truncates to its own high watermark 2, which is [A, B]; the leader's log [A, D] \
              ends there too, so broker 1 fetches on and never sees that B is not D: the divergence of \
              KIP-101. When the preferred leader 1 leads again (after 300 s) D is gone as well. To \
              lose B and C is allowed, logs that differ are not",
    },
    Row {
        story: KILL,
        set: "kafka.release=0.11 retries=2147483647 broker.session.timeout.ms=18000",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "broker 1 asks where epoch 0 ends (KIP-101): at 1, so B goes",
    },
    Row {
        story: KILL,
        set: "kafka.release=2.0 retries=2147483647 broker.session.timeout.ms=18000",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "the ISR stays {1}",
    },
    Row {
        story: KILL,
        set: "kafka.release=2.0 retries=2147483647",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "as with KIP-101: KIP-279 needs two epochs that one log does not know. Whether C was \
              written twice does not matter, for it goes",
    },
    Row {
        story: KILL,
        set: "kafka.release=3.5",
        unclean: false,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "before ELR the ISR keeps its last member; a fenced follower holds nothing back (KIP-841)",
    },
    Row {
        story: KILL,
        set: "kafka.release=3.5",
        unclean: true,
        ends: &[(Kept, "", "ABCD")],
        waits: &[1],
        why: "the controllers of KRaft before 3.9 do not know the setting (KAFKA-12670)",
    },
    Row {
        story: KILL,
        set: "kafka.release=3.5 rules.unclean_election_by_setting=true",
        unclean: true,
        ends: &[(Permitted, "BC", "AD")],
        waits: &[1, 2, 3],
        why: "the leader tells of the divergence in its fetch response; the same point as by asking",
    },
    Row {
        story: KILL,
        set: "kafka.release=3.5 min.insync.replicas=2 rules.unclean_election_by_setting=true",
        unclean: true,
        ends: &[(Permitted, "B", "AD")],
        waits: &[1, 2, 3],
        why: "C is refused; before 3.7 the high watermark may advance below min.insync.replicas, but \
              here nothing is written there",
    },
    Row {
        story: LAST_STANDING,
        set: "kafka.release=3.5 min.insync.replicas=2",
        unclean: false,
        ends: &[(Broken, "AB", "D")],
        waits: &[1],
        why: "before KIP-966 the last replica standing leads with whatever its disk kept",
    },
];
