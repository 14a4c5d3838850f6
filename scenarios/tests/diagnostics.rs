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
        "[cluster]\ncontrollers = 3\n[[step]]\nheal = {}\n",
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
