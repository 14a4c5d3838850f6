//! What a person is told about each kind of mistake.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use ktrial::compile::{Override, compile};
use ktrial::file::parse;

/// A right file to make mistakes in.
const HEAD: &str =
    "title = \"t\"\nwhy = \"w\"\n[topics.orders]\nreplicas = [[1, 2, 3]]\n[producers.p1]\n";

/// What is said about a text, with its first cell compiled.
fn told(text: &str) -> String {
    match parse("bad", "bad.toml", text) {
        Err(problems) => problems.to_string(),
        Ok(scenario) => match compile(&scenario, 1, &[]) {
            Err(problems) => problems.to_string(),
            Ok(_) => "no mistakes".to_owned(),
        },
    }
}

fn check(name: &str, rest: &str) {
    insta::assert_snapshot!(name, told(&format!("{HEAD}{rest}")));
}

const SEND: &str = "[[step]]\nsend = { values = [\"A\"] }\n";

#[test]
fn a_right_file_has_none() {
    assert_eq!(told(&format!("{HEAD}{SEND}")), "no mistakes");
}

#[test]
fn text_that_is_not_toml() {
    insta::assert_snapshot!("not_toml", told("title = \nwhy = \"w\"\nstep = [\n"));
}

#[test]
fn apis() {
    let delay = |apis: &str| {
        format!("[[step]]\ndelay = {{ from = [1], to = [2], by = \"1s\", apis = {apis} }}\n")
    };
    check("unknown_api", &delay("[\"AlterPartitions\"]"));
    check("no_api", &delay("[]"));
    check("api_that_is_no_list", &delay("\"Fetch\""));
}

/// Only what is wrong is said, not that each broker of the steps is unknown.
#[test]
fn brokers_that_cannot_be_read() {
    check(
        "brokers_of_a_wrong_type",
        &format!("[cluster]\nbrokers = \"three\"\n{SEND}[[step]]\nkill = {{ broker = 1 }}\n"),
    );
}

#[test]
fn keys() {
    check(
        "unknown_key_at_the_top",
        "[matricks]\na = 1\n[[step]]\nheal = {}\n",
    );
    check("unknown_action", "[[step]]\nkil = { broker = 1 }\n");
    check(
        "unknown_key_of_an_action",
        "[[step]]\nkill = { brokr = 1 }\n",
    );
    check(
        "several_at_once",
        "colour = 1\n[[step]]\nkill = { broker = 9 }\n[[step]]\nstart = { broker = 1 }\n",
    );
    insta::assert_snapshot!("nothing_in_it", told(""));
}

#[test]
fn types() {
    check("number_for_a_text", "[[step]]\nsend = { values = [1] }\n");
    check(
        "text_for_a_broker",
        "[[step]]\nkill = { broker = \"one\" }\n",
    );
    check("action_that_is_no_table", "[[step]]\nkill = 3\n");
    check("time_without_unit", "[[step]]\nafter = \"5\"\nheal = {}\n");
    check("time_as_number", "[[step]]\nafter = 5\nheal = {}\n");
    check("step_as_table", "[step]\nheal = {}\n");
    check(
        "fraction",
        "[matrix]\nmin.insync.replicas = [1.5]\n[[step]]\nheal = {}\n",
    );
}

#[test]
fn names() {
    check("unknown_broker", "[[step]]\nkill = { brokers = [1, 4] }\n");
    check(
        "unknown_topic",
        "[[step]]\nsend = { topic = \"order\", values = [\"A\"] }\n",
    );
    check(
        "unknown_producer",
        "[[step]]\nsend = { producer = \"p2\", values = [\"A\"] }\n",
    );
    check(
        "unknown_consumer",
        "[[step]]\nassign = { consumer = \"c1\", partitions = [\"orders-0\"] }\n",
    );
    check(
        "unknown_node",
        "[[step]]\ncut = { from = [\"b1\"], to = [\"controler\"] }\n",
    );
    check(
        "partition_out_of_range",
        "[[step]]\nsend = { partition = 1, values = [\"A\"] }\n",
    );
    check(
        "partition_of_a_condition",
        "[[step]]\nuntil = { isr = { partition = \"orders-3\", is = [1] } }\n",
    );
    check(
        "client_called_like_a_broker",
        "[consumers.b1]\n[[step]]\nheal = {}\n",
    );
    let replicas = "title = \"t\"\nwhy = \"w\"\n[topics.orders]\nreplicas = [[1, 2, 7], [1, 1]]\n[[step]]\nheal = {}\n";
    insta::assert_snapshot!("replicas_on_unknown_brokers", told(replicas));
}

#[test]
fn steps() {
    let twice = format!("{SEND}[[step]]\nsend = {{ values = [\"B\", \"A\"] }}\n");
    check("value_twice", &twice);
    check(
        "value_never_sent",
        &format!("{SEND}[[step]]\nuntil = {{ acknowledged = {{ values = [\"B\"] }} }}\n"),
    );
    check(
        "start_of_a_running_broker",
        "[[step]]\nstart = { broker = 2 }\n",
    );
    check(
        "kill_of_a_dead_broker",
        "[[step]]\nkill = { broker = 2 }\n[[step]]\nshutdown = { brokers = [1, 2] }\n",
    );
    check(
        "resume_without_pause",
        "[[step]]\nresume = { broker = 2 }\n",
    );
    check(
        "after_the_end",
        "[[step]]\nat = \"29m\"\nheal = {}\n[[step]]\nafter = \"2m\"\nheal = {}\n",
    );
    check(
        "in_the_past",
        "[[step]]\nat = \"10s\"\nheal = {}\n[[step]]\nat = \"5s\"\nheal = {}\n",
    );
    check("nothing_to_do", "[[step]]\n");
    check(
        "two_actions",
        "[[step]]\nheal = {}\nkill = { broker = 1 }\n",
    );
    check(
        "two_conditions",
        "[[step]]\nuntil = { quiet = \"1s\", in_sync = {} }\n",
    );
    check(
        "within_without_until",
        "[[step]]\nwithin = \"1s\"\nheal = {}\n",
    );
    check(
        "no_replica_there",
        "[topics.b]\nreplicas = [[1, 2]]\n[[step]]\nuntil = { leader = { partition = \"b-0\", is = 3 } }\n",
    );
}

#[test]
fn settings() {
    let cluster = |setting: &str| format!("[cluster.config]\n{setting}\n[[step]]\nheal = {{}}\n");
    check(
        "unknown_setting",
        &cluster("unclean.leader.elecion.enable = true"),
    );
    check("setting_of_another_kind", &cluster("acks = 1"));
    check(
        "refused_value",
        &cluster("\"min.insync.replicas\" = \"two\""),
    );
    check(
        "set_twice",
        &cluster("min.insync.replicas = 1\n\"min.insync.replicas\" = 2"),
    );
    check("conflict", &cluster("replica.lag.time.max.ms = 100"));
    check(
        "unknown_rule",
        "[rules]\nhw_require_min_isr = false\n[[step]]\nheal = {}\n",
    );
    check(
        "old_release",
        "[cluster]\nkafka.release = \"0.7\"\n[[step]]\nheal = {}\n",
    );
    check(
        "two_controllers",
        "[cluster]\ncontrollers = [3000, 3000]\n[[step]]\nheal = {}\n",
    );
}

#[test]
fn matrix_and_expectations() {
    let step = "[[step]]\nheal = {}\n";
    check("empty_list", &format!("{step}[matrix]\nacks = []\n"));
    check(
        "value_of_the_matrix",
        &format!("{step}[matrix]\nacks = [0, 2, 0]\n"),
    );
    check(
        "ambiguous",
        &format!("{step}[matrix]\nfetch.max.bytes = [1000]\n"),
    );
    check(
        "expectation_about_an_unknown_setting",
        &format!("{step}[[expect]]\nwhen = {{ ackss = 1 }}\n"),
    );
    check(
        "no_such_cell",
        &format!("{step}[matrix]\nacks = [0, 1]\n[[expect]]\nwhen = {{ acks = \"all\" }}\n"),
    );
    check(
        "unknown_verdict",
        &format!("{step}[[expect]]\nverdict = \"kapt\"\n"),
    );
    check(
        "logs_of_nothing",
        &format!("{step}[[expect]]\nlogs = {{ \"orders\" = [], \"order-0\" = [\"A\"] }}\n"),
    );
}

#[test]
fn settings_of_the_command_line() {
    let scenario = parse("good", "good.toml", &format!("{HEAD}{SEND}")).unwrap();
    let told = |key: &str, value: &str| {
        let set = Override {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        compile(&scenario, 1, &[set]).unwrap_err().to_string()
    };
    insta::assert_snapshot!("set_unknown", told("min.insync.replica", "2"));
    insta::assert_snapshot!("set_refused", told("acks", "2"));
    insta::assert_snapshot!("set_conflict", told("request.timeout.ms", "500000"));
    insta::assert_snapshot!("set_rule", told("rules.truncation", "kip101"));
    insta::assert_snapshot!("set_release", told("kafka.release", "four"));
    insta::assert_snapshot!("set_placed", told("topics.order.min.insync.replicas", "2"));
}

fn step(action: &str) -> String {
    format!("[[step]]\n{action}\n")
}

fn fault(action: &str) -> String {
    format!("[[fault]]\n{action}\n")
}

#[test]
fn targets() {
    check(
        "role_misspelt",
        &step("kill = { node = \"leder(orders-0)\" }"),
    );
    check("role_of_nothing", &step("kill = { node = \"leader\" }"));
    check(
        "role_of_an_unknown_topic",
        &step("kill = { node = \"leader(order-0)\" }"),
    );
    check(
        "role_of_an_unknown_partition",
        &step("cut = { from = [\"leader(orders-7)\"], to = [1] }"),
    );
    check(
        "coordinator",
        &step("kill = { node = \"coordinator(g1)\" }"),
    );
    check("rest_of_what", &step("kill = { node = \"rest\" }"));
    check(
        "rest_on_both_sides",
        &step("cut = { from = [\"rest\"], to = [\"rest\", 1] }"),
    );
    check(
        "controller_is_no_broker",
        &step("kill = { broker = \"controller\" }"),
    );
    check("broker_twice", &step("kill = { brokers = [1, 1] }"));
    check(
        "start_of_somebody",
        &step("start = { node = \"random-broker\" }"),
    );
    check(
        "random_misspelt",
        &step("kill = { node = \"random-brokr\" }"),
    );
    check(
        "random_replica_of_a_spread_topic",
        &format!(
            "[topics.b]\npartitions = 1\n{}",
            step("kill = { node = \"random-replica(b-0)\" }")
        ),
    );
    let kills = step("kill = { node = \"random-broker\" }").repeat(3);
    let more = step("kill = { broker = 2 }");
    check("nobody_left_to_draw", &format!("{kills}{more}"));
    let drawn = "[[step]]\nshutdown = { broker = \"random-broker\" }\n";
    let started = "[[step]]\nstart = { broker = 2 }\n";
    check("started_but_never_drawn", &format!("{drawn}{started}"));
    check(
        "names_that_are_roles",
        "[consumers.rest]\n[[step]]\nheal = {}\n",
    );
}

#[test]
fn links() {
    let delay = |by: &str| step(&format!("delay = {{ from = [1], to = [2], by = {by} }}"));
    check(
        "delay_upside_down",
        &delay("{ min = \"9ms\", max = \"1ms\" }"),
    );
    check("delay_without_max", &delay("{ min = \"9ms\" }"));
    check("delay_too_long", &delay("\"2h\""));
    check(
        "lose_nothing",
        &step("lose = { from = [1], to = [2], per_mille = 0 }"),
    );
    check("lose_how_many", &step("lose = { from = [1], to = [2] }"));
    check(
        "throttle_to_nothing",
        &step("throttle = { from = [1], to = [2], bytes_per_ms = 0 }"),
    );
    check(
        "isolate_sideways",
        &step("isolate = { broker = 1, one_way = \"outt\" }"),
    );
    check("may_miss_perhaps", &step("heal = {}\nmay_miss = \"yes\""));
    check("ring_of_three", &step("ring = {}"));
    check(
        "bridge_over_nothing",
        &step("bridge = { brokers = [1, 2, 3] }"),
    );
    check(
        "bridge_over_a_stranger",
        &step("bridge = { brokers = [1, 2], over = 3 }"),
    );
    let stranger = "[cluster]\nbrokers = 4\n[[step]]\nbridge = { brokers = [1, 2, 3], over = 4 }\n";
    check("bridge_over_one_outside", stranger);
}

#[test]
fn disks_and_clocks() {
    let disk = |what: &str| step(&format!("disk = {{ broker = 1, {what} }}"));
    check("disk_without_fault", &step("disk = { broker = 1 }"));
    check("disk_with_two_faults", &disk("slow = 2, full = true"));
    check("disk_misspelt", &disk("stal = true"));
    check("disk_not_full", &disk("full = false"));
    check("disk_slow_by_nothing", &disk("slow = 1"));
    check("disk_fails_strangely", &disk("fail = [\"wriet\"]"));
    check("disk_fails_nothing", &disk("fail = []"));
    check("disk_stalls_for_ever", &disk("stall = true"));
    check(
        "disk_of_a_client",
        &step("disk = { node = \"p1\", full = true }"),
    );
    check("clock_that_is_right", &step("clock = { broker = 1 }"));
    check(
        "clock_in_numbers",
        &step("clock = { broker = 1, jump = -5 }"),
    );
    check(
        "clock_years_away",
        &step("clock = { broker = 1, jump = \"-9000h\" }"),
    );
}

#[test]
fn faults_that_last() {
    check(
        "wipe_for_a_while",
        &step("disk = { broker = 1, wipe = true }\nfor = \"1s\""),
    );
    check(
        "send_for_a_while",
        &step("send = { values = [\"A\"] }\nfor = \"1s\""),
    );
    check(
        "restart_for_a_while",
        &step("restart = { broker = 1, down = \"1s\" }\nfor = \"1s\""),
    );
    check(
        "rolling_for_a_while",
        &step("rolling_restart = {}\nfor = \"1s\""),
    );
    check("for_without_action", &step("after = \"1s\"\nfor = \"1s\""));
    check("restart_without_down", &step("restart = { broker = 1 }"));
    check(
        "restart_in_a_strange_way",
        &step("restart = { broker = 1, down = \"1s\", how = \"killl\" }"),
    );
}

#[test]
fn beside_the_steps() {
    let storm = "restart_storm = { broker = 1, times = 3, every = \"10s\", down = \"1s\" }";
    check("storm_as_a_step", &step(storm));
    check(
        "storm_that_waits",
        &fault(&format!("until = {{ quiet = \"1s\" }}\n{storm}")),
    );
    check(
        "storm_past_the_end",
        &fault(&format!("at = \"29m50s\"\n{storm}")),
    );
    check(
        "storm_on_the_ground",
        &fault("restart_storm = { broker = 1, times = 3, every = \"1s\", down = \"1s\" }"),
    );
    check("rolling_beside", &fault("rolling_restart = {}"));
    check("fault_without_action", &fault(""));
    check("fault_as_table", "[fault]\nheal = {}\n");
    check("fault_past_the_end", &fault("after = \"31m\"\nheal = {}"));
    let twice = format!("{SEND}{}", fault("send = { values = [\"A\"] }"));
    check("value_twice_beside", &twice);
    check(
        "recovery_of_some",
        &format!("{SEND}[recovery]\nnodes = \"al\"\n"),
    );
    check(
        "recovery_of_strangers",
        &format!("{SEND}[recovery]\nnodes = [1, \"b7\"]\n"),
    );
}

#[test]
fn workloads() {
    let load = |rest: &str| format!("[[workload]]\n{rest}\n");
    check("workload_without_pace", &load("records = 5"));
    check(
        "workload_with_two",
        &load("records = 5\nrate = \"1/s\"\nevery = \"1s\""),
    );
    check(
        "workload_at_a_strange_rate",
        &load("records = 5\nrate = \"20 per second\""),
    );
    check("workload_of_nothing", &load("records = 0\nrate = \"1/s\""));
    check(
        "workload_all_alike",
        &load("records = 5\nrate = \"1/s\"\nvalue = \"x\""),
    );
    check(
        "workload_with_strange_keys",
        &load("records = 5\nrate = \"1/s\"\nkeys = \"uniq\""),
    );
    check(
        "workload_past_the_end",
        &load("records = 5000\nrate = \"1/s\""),
    );
    check("workload_misspelt", &load("record = 5\nrate = \"1/s\""));
    check(
        "workload_to_a_stranger",
        &load("records = 5\nrate = \"1/s\"\nproducer = \"p7\""),
    );
    check(
        "workload_of_few_times",
        &load("records = 3\ntimes = [\"1s\"]"),
    );
    check("workload_as_table", "[workload]\nrecords = 1\n");
    let twice = load("name = \"a\"\nrecords = 1\nevery = \"1s\"").repeat(2);
    check("workload_twice", &twice);
    let same = load("records = 1\nevery = \"1s\"\nvalue = \"A{n}\"").repeat(2);
    check("workload_with_the_same_values", &same);
    let wait = step("until = { ended = { workload = \"w2\" } }");
    check(
        "workload_unknown",
        &format!("{}{wait}", load("records = 1\nevery = \"1s\"")),
    );
}

fn varies(matrix: &str, rest: &str) -> String {
    format!("[matrix]\n{matrix}\n{SEND}{rest}")
}

const HOW: &str = "\"$how\" = [\"kill\", \"shutdown\"]";
const STOP: &str = "[[step]]\n\"$how\" = { broker = \"$who[0]\" }\n";

/// The note says for which values a mistake is there, unless it is there for all.
#[test]
fn mistakes_in_some_versions() {
    let matrix = "\"$how\" = [\"kill\", \"start\"]\n\"$who\" = [[1, 2], [3]]";
    check("variable_of_some_values", &varies(matrix, STOP));
    let twice = [
        step("kill = { broker = \"$a\" }"),
        step("kill = { broker = \"$b\" }"),
    ];
    let matrix = "\"$a\" = [1, 2]\n\"$b\" = [1, 2]";
    check(
        "variable_wrong_in_one_version",
        &varies(matrix, &twice.concat()),
    );
    let xor = step("until = { isr = { is = [\"$a\", \"$b\"] } }");
    check("variable_wrong_in_no_value_alone", &varies(matrix, &xor));
    let all = step("\"$how\" = { brokr = 1 }");
    check("variable_wrong_in_all", &varies(HOW, &all));
}

#[test]
fn variables_where_they_stand() {
    check(
        "variable_unknown",
        &varies(HOW, &step("\"$hwo\" = { broker = 1 }")),
    );
    check(
        "variable_without_matrix",
        &step("kill = { broker = \"$who\" }"),
    );
    let start = step("start = { broker = \"$who[1]\" }");
    let matrix = format!("{HOW}\n\"$who\" = [[1], [2, 3]]");
    check(
        "variable_out_of_range",
        &varies(&matrix, &format!("{STOP}{start}")),
    );
    let matrix = format!("{HOW}\n\"$who\" = [1, 2]");
    check("variable_that_is_no_list", &varies(&matrix, STOP));
    let key = step("\"$how\" = { broker = 1 }");
    check(
        "variable_as_a_key",
        &varies("\"$how\" = [1, [\"kill\"]]", &key),
    );
    let beside = step("kill = { broker = 1 }\n\"$how\" = { broker = 2 }");
    check("variable_beside_itself", &varies(HOW, &beside));
    check(
        "variable_half",
        &varies(HOW, &step("kill = { node = \"$how[\" }")),
    );
}

#[test]
fn variables_in_the_matrix() {
    check("variable_unused", &varies(HOW, ""));
    check("variable_of_a_strange_name", &varies("\"$1\" = [1]", ""));
    check("variable_of_nothing", &varies("\"$how\" = []", ""));
    let tables = "\"$how\" = [[[1]], [1.5]]";
    check(
        "variable_of_tables",
        &varies(tables, &step("\"$how\" = {}")),
    );
    let twice = "\"$who\" = [1, \"1\"]";
    check(
        "variable_twice",
        &varies(twice, &step("kill = { broker = \"$who\" }")),
    );
    let expect = |when: &str| {
        let kill = step("\"$how\" = { broker = 1 }");
        varies(HOW, &format!("{kill}[[expect]]\nwhen = {{ {when} }}\n"))
    };
    check("variable_of_an_expectation", &expect("\"$hwo\" = \"kill\""));
    check(
        "variable_without_that_value",
        &expect("\"$how\" = \"pause\""),
    );
}

#[test]
fn variables_from_the_command_line() {
    let text = format!(
        "{HEAD}{SEND}[[step]]\n\"$how\" = {{ broker = \"$who[1]\" }}\n\
         [matrix]\n\"$how\" = [\"kill\", \"shutdown\"]\n\"$who\" = [[1, 2], [1, 3]]\n"
    );
    let scenario = parse("good", "good.toml", &text).unwrap();
    let told = |key: &str, value: &str| {
        let (key, value) = (key.to_owned(), value.to_owned());
        compile(&scenario, 1, &[Override { key, value }])
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!("set_variable_unknown", told("$hwo", "kill"));
    insta::assert_snapshot!("set_variable_to_a_stranger", told("$who", "[3]"));
}
