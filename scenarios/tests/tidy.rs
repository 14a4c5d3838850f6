//! The house rules as tests. Each says what to do instead.
//!
//! What clippy and rustfmt can ask for, they ask for (`Cargo.toml`, `clippy.toml`); here is the rest:
//! headers, sources, sizes, words, and that the documents speak of what is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::expect::unmet;
use ktrial::file::parse;
use ktrial::library::LIBRARY;
use ktrial_reports::Cell;
use ktrial_sim::{check, trial};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines of code that is no test.
const LONGEST_FILE: usize = 600;
/// Widest line, in characters.
const WIDEST_LINE: usize = 110;
/// Of the library.
const LONGEST_SCENARIO: usize = 60;
/// The parts of core that follow a rule of Kafka in each file.
const PROTOCOL: [&str; 10] = [
    "partition",
    "broker",
    "controller",
    "log",
    "record",
    "producer",
    "consumer",
    "metadata",
    "client_metadata",
    "raft",
];
/// Files among them that hold no rule of Kafka, only what several others share.
const WITHOUT_RULE: [&str; 3] = [
    "core/src/broker/shared.rs",
    "core/src/controller/refusals.rs",
    "core/src/controller/snapshot.rs",
];
/// Labels of a header: each begins a paragraph.
const LABELS: [&str; 7] = [
    "Rule:",
    "Rules:",
    "Invariants:",
    "Simplified:",
    "Source:",
    "Next:",
    "False positives avoided",
];
/// A document that ktrial writes.
const WRITTEN: &str = "summary.md";
const THIS_FILE: &str = "scenarios/tests/tidy.rs";

/// A text file of the repository, by its path from the top.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// It holds nothing but tests, or what only tests use.
    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        self.path.contains("/tests/") || name == "tests.rs" || name.ends_with("_tests.rs")
    }

    /// The `//!` lines at the top, without that mark.
    fn header(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(str::trim)
    }

    /// The paragraphs of the header that begin with `Source:`, each on one line.
    fn sources(&self) -> Vec<String> {
        let mut sources: Vec<String> = Vec::new();
        let mut inside = false;
        for line in self.header() {
            let labelled = LABELS.iter().any(|label| line.starts_with(label));
            if labelled || line.is_empty() {
                inside = false;
            }
            if let Some(at) = line.find("Source:") {
                inside = true;
                sources.push(line[at..].to_owned());
            } else if inside {
                let last = sources.last_mut().unwrap();
                let _ = write!(last, " {line}");
            }
        }
        sources
    }

    /// The lines of code without comments, with their numbers. Texts stay in.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap()))
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file of the repository but for snapshots and what is built.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    for folder in [
        "core",
        "sim",
        "reports",
        "scenarios",
        "docs",
        "deploy",
        "scripts",
        ".ci",
        ".cargo",
    ] {
        walk(folder, &mut found);
    }
    for entry in fs::read_dir(top()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") || name.ends_with(".toml") {
            let text = fs::read_to_string(top().join(&name)).unwrap();
            found.push(File { path: name, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(folder: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(top().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if name != "snapshots" && name != "target" {
                walk(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File { path, text });
        }
    }
}

fn rust_files() -> impl Iterator<Item = File> {
    files().into_iter().filter(File::is_rust)
}

/// Files of a crate's `src` folder.
fn sources() -> impl Iterator<Item = File> {
    rust_files().filter(|file| file.path.split('/').nth(1) == Some("src"))
}

/// Fails with all that was found, and what to do about it.
fn nothing_found(found: &[String], instead: &str) {
    let found: String = found.iter().map(|line| format!("  {line}\n")).collect();
    assert!(found.is_empty(), "\n{found}instead: {instead}\n");
}

/// The words of a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

/// What looks like a path in a text.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let found = text.split(move |c| !inside(c));
    found.map(|path| path.trim_end_matches('.'))
}

#[test]
fn every_source_file_has_a_header() {
    let without = sources().filter(|file| !file.text.starts_with("//! "));
    let found: Vec<String> = without.map(|file| file.path).collect();
    nothing_found(
        &found,
        "begin the file with `//!`: what it is for, the rule, Invariants, Simplified, Source, Next",
    );
}

#[test]
fn files_are_short() {
    let mut found = Vec::new();
    for file in sources().filter(|file| !file.is_test()) {
        let lines = file.text.lines();
        let lines = lines
            .take_while(|line| !line.starts_with("mod tests {"))
            .count();
        if lines > LONGEST_FILE {
            found.push(format!("{}: {lines} lines", file.path));
        }
    }
    nothing_found(
        &found,
        "give each question that the file answers a file of its own",
    );
}

#[test]
fn scenarios_are_short() {
    let long = LIBRARY
        .iter()
        .filter(|entry| entry.text.lines().count() > LONGEST_SCENARIO);
    let found = long.map(|entry| entry.path.to_owned()).collect::<Vec<_>>();
    nothing_found(
        &found,
        "one story a file, 60 lines at most, with why it is told and its source",
    );
}

#[test]
fn lines_fit_the_screen() {
    let mut found = Vec::new();
    for file in rust_files() {
        for (index, line) in file.text.lines().enumerate() {
            // What cannot be broken: rows of tables, addresses, texts that a program prints.
            let whole = line.contains("//! |") || line.contains("://") || line.contains('"');
            if line.chars().count() > WIDEST_LINE && !whole {
                found.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    nothing_found(
        &found,
        "break the line (rustfmt does that for code, not for comments and macros)",
    );
}

#[test]
fn nothing_is_left_over() {
    let leftovers = [
        (
            "todo!",
            "write it, or say in the header under Simplified that it is missing",
        ),
        ("unimplemented!", "return an error that the caller can tell"),
        ("dbg!", "assert it in a test"),
        ("FIXME", "mend it, or write an issue"),
        ("TODO", "do it, or write an issue"),
        ("#[ignore", "assert what happens today"),
        ("#[should_panic", "return an error and assert that"),
    ];
    for (leftover, instead) in leftovers {
        let mut found = Vec::new();
        for file in rust_files().filter(|file| file.path != THIS_FILE) {
            for (index, line) in file.text.lines().enumerate() {
                if line.contains(leftover) {
                    found.push(format!("{}:{}: {leftover}", file.path, index + 1));
                }
            }
        }
        nothing_found(&found, instead);
    }
}

#[test]
fn core_is_pure() {
    let banned = [
        ("async", "what waits is state with a deadline"),
        ("await", "what waits is state with a deadline"),
        ("Instant", "take `Now` as an argument"),
        ("SystemTime", "take `Now` as an argument"),
        (
            "HashMap",
            "`BTreeMap`: the order of a hash map is not deterministic",
        ),
        (
            "HashSet",
            "`BTreeSet`: the order of a hash set is not deterministic",
        ),
        (
            "thread",
            "a lane, if it is a thread of Kafka's (`Lane` in core/src/machine.rs)",
        ),
        ("println", "`out.observe` of an event"),
        ("eprintln", "`out.observe` of an event"),
        ("madsim", "core knows nothing of the simulator"),
    ];
    for (word, instead) in banned {
        nothing_found(
            &code_with(word, |file| file.path.starts_with("core/src/")),
            instead,
        );
    }
}

#[test]
fn the_world_and_the_reports_have_no_hash_maps() {
    let deterministic = ["sim/src/", "reports/src/"];
    for word in ["HashMap", "HashSet"] {
        let found = code_with(word, |file| {
            deterministic.iter().any(|of| file.path.starts_with(of))
        });
        nothing_found(
            &found,
            "`BTreeMap`, `BTreeSet` or a `Vec` by number: hash order is not deterministic",
        );
    }
}

/// Where a word stands in code, not in comments.
fn code_with(word: &str, among: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in rust_files().filter(among) {
        for (number, code) in file.code() {
            if words(code).any(|other| other == word) {
                found.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    found
}

#[test]
fn names_are_kafkas_own() {
    let banned = [
        ("master", "leader or controller"),
        ("slave", "follower"),
        ("term", "leader_epoch or controller epoch"),
        ("commit_index", "high_watermark"),
        ("last_applied", "the name that Kafka gives it"),
    ];
    for (banned, instead) in banned {
        let mut found = Vec::new();
        for file in rust_files().filter(|file| file.path.starts_with("core/")) {
            for (number, code) in file.code() {
                let named = |word: &str| {
                    let word = snake_case(word);
                    format!("_{word}_").contains(&format!("_{banned}_"))
                };
                if words(code).any(named) {
                    found.push(format!("{}:{number}: {banned}", file.path));
                }
            }
        }
        nothing_found(&found, instead);
    }
}

#[test]
fn every_rule_has_a_source() {
    let rules = sources().filter(|file| {
        let parts: Vec<&str> = file.path.split('/').collect();
        let among = parts[0] == "core" && PROTOCOL.contains(&parts[2]);
        among && !file.is_test() && !WITHOUT_RULE.contains(&file.path.as_str())
    });
    let without = rules.filter(|file| file.sources().is_empty());
    let found: Vec<String> = without.map(|file| file.path).collect();
    nothing_found(
        &found,
        "add `Source:` to the header: the KIP or KAFKA issue, and `Class.method` in Apache Kafka",
    );
}

#[test]
fn every_source_can_be_looked_up() {
    let numbered = |text: &str, prefix: &str| {
        let mut after = text.split(prefix).skip(1);
        after.any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut found = Vec::new();
    for file in sources() {
        for source in file.sources() {
            let named = source
                .split('`')
                .nth(1)
                .is_some_and(|name| !name.is_empty());
            let ours = source.starts_with("Source: ours");
            if !(named || ours || numbered(&source, "KIP-") || numbered(&source, "KAFKA-")) {
                found.push(format!("{}: {source}", file.path));
            }
        }
    }
    nothing_found(
        &found,
        "name a KIP, a KAFKA issue, or `Class.method`; or say `Source: ours` if Kafka has no such rule",
    );
}

#[test]
fn nothing_outside_the_repository_is_named() {
    let all = files();
    let mut found = Vec::new();
    for file in all.iter().filter(|file| file.path != THIS_FILE) {
        for (index, line) in file.text.lines().enumerate() {
            let place = |what: &str| format!("{}:{}: {what}", file.path, index + 1);
            let elsewhere = ["/work/", "/root/", "/home/", "shared/"];
            found.extend(
                elsewhere
                    .into_iter()
                    .filter(|of| line.contains(of))
                    .map(place),
            );
            let documents = paths(line).filter(|path| path.ends_with(".md") && path.len() > 3);
            let missing = documents.filter(|path| {
                let name = path.rsplit('/').next().unwrap();
                name != WRITTEN
                    && !all
                        .iter()
                        .any(|file| file.path.rsplit('/').next() == Some(name))
            });
            found.extend(missing.map(place));
        }
    }
    nothing_found(
        &found,
        "say here what is meant, or name the KIP, the issue or the class",
    );
}

#[test]
fn the_documents_name_only_what_is_there() {
    let folders = [
        "core/",
        "sim/",
        "reports/",
        "scenarios/",
        "docs/",
        "scripts/",
        ".ci/",
        ".cargo/",
    ];
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        for path in paths(&file.text).filter(|path| folders.iter().any(|of| path.starts_with(of))) {
            if !top().join(path).exists() {
                found.push(format!("{}: {path}", file.path));
            }
        }
        let folder = top().join(&file.path).parent().unwrap().to_path_buf();
        for link in file.text.split("](").skip(1) {
            let target = link.split(')').next().unwrap().split('#').next().unwrap();
            if !target.contains("://") && !folder.join(target).exists() {
                found.push(format!("{}: ]({target})", file.path));
            }
        }
    }
    nothing_found(
        &found,
        "correct the path, or take out what is no longer there",
    );
}

#[test]
fn the_code_map_is_complete() {
    let map = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let mut found = BTreeSet::new();
    for file in sources() {
        let parts: Vec<&str> = file.path.split('/').collect();
        let module = match parts[2..] {
            ["lib.rs" | "main.rs" | "tests.rs"] => continue,
            [name] if name.ends_with("_tests.rs") => continue,
            [_] => file.path.clone(),
            _ => parts[..3].join("/") + "/",
        };
        if !map.contains(&module) {
            found.insert(module);
        }
    }
    let found: Vec<String> = found.into_iter().collect();
    nothing_found(
        &found,
        "add the module to the code map in ARCHITECTURE.md, in a few words",
    );
    assert!(
        map.lines().count() <= 300,
        "ARCHITECTURE.md: say less, 300 lines at most"
    );
}

#[test]
fn every_scenario_is_told_of() {
    let all = files();
    let documents = all.iter().filter(|file| file.path.ends_with(".md"));
    let text: String = documents.map(|file| file.text.as_str()).collect();
    let library = all
        .iter()
        .filter(|file| file.path.starts_with("scenarios/library/"));
    let names = library.filter_map(|file| file.path.rsplit('/').next()?.strip_suffix(".toml"));
    let unknown = names.filter(|name| !text.contains(&format!("`{name}`")));
    let found: Vec<String> = unknown.map(str::to_owned).collect();
    nothing_found(&found, "name the scenario in README.md or docs/");
}

#[test]
fn the_results_are_described() {
    let results = fs::read_to_string(top().join("docs/RESULTS.md")).unwrap();
    let read = |path: &str| fs::read_to_string(top().join(path)).unwrap();
    let mut names = variants(&read("core/src/event.rs"), "pub enum Event {");
    names.extend(variants(&read("sim/src/history/mod.rs"), "pub enum What {"));
    names.extend(variants(&read("sim/src/verdict.rs"), "pub enum Class {"));
    names.extend(fields(&read("sim/src/verdict.rs")));
    names.extend(checks());
    assert!(names.len() > 80, "the names were not found: {names:?}");
    let missing = names
        .iter()
        .filter(|name| !results.contains(&format!("`{name}`")));
    let found: Vec<String> = missing.cloned().collect();
    nothing_found(&found, "describe it in docs/RESULTS.md");
}

/// Each piece of code of a document that is marked with this language.
fn examples<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let after = document.split(fence.as_str()).skip(1);
    after
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

#[test]
fn the_examples_are_scenarios_that_run() {
    let mut tried = 0;
    for document in ["README.md", "docs/scenarios.md"] {
        let text = fs::read_to_string(top().join(document)).unwrap();
        let whole = examples(&text, "toml");
        for example in whole
            .into_iter()
            .filter(|example| example.starts_with("title"))
        {
            let scenario = parse("example", document, example);
            let scenario = scenario.unwrap_or_else(|problems| panic!("{document}: {problems}"));
            for plan in compile(&scenario, 1, &[]).unwrap().plans {
                let verdict = check::judge(&plan, &trial::run(&plan).unwrap());
                let unmet = unmet(&scenario.expects, &BTreeSet::new(), &plan, &verdict);
                nothing_found(&unmet, "an example in a document has to be right");
                tried += 1;
            }
        }
    }
    assert!(tried >= 2, "the examples were not found");
}

#[test]
fn the_story_in_the_readme_is_true() {
    let flagship = LIBRARY
        .iter()
        .find(|entry| entry.name == "all-brokers-down");
    let flagship = flagship.unwrap();
    let scenario = parse(flagship.name, flagship.path, flagship.text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    let mut story = String::new();
    for plan in compile(&scenario, 1, &[]).unwrap().plans {
        let record = trial::run(&plan).unwrap();
        let verdict = check::judge(&plan, &record);
        let cell = Cell {
            plan,
            record,
            verdict,
            unmet: Vec::new(),
        };
        story += &ktrial_reports::story(&cell);
        story += &ktrial_reports::verdict_text(&cell);
    }
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let told = examples(&readme, "")[0].lines();
    let told = told.filter(|line| !line.is_empty() && line.trim() != "...");
    let untrue = told.filter(|line| !story.contains(line.trim()));
    let found: Vec<String> = untrue.map(str::to_owned).collect();
    nothing_found(
        &found,
        "copy the lines from `cargo run --release -- run all-brokers-down`, and make docs/report.png anew",
    );
}

/// The variants of an enum as they are written in JSON.
fn variants(text: &str, head: &str) -> BTreeSet<String> {
    let body = text.split(head).nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    names
        .map(|line| snake_case(words(line).next().unwrap()))
        .collect()
}

/// The public fields of all structs.
fn fields(text: &str) -> BTreeSet<String> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("    pub "));
    lines
        .map(|line| words(line).next().unwrap().to_owned())
        .collect()
}

/// The names under which checks report.
fn checks() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let files = sources().filter(|file| file.path.starts_with("sim/src/check/") && !file.is_test());
    for file in files {
        let code: String = file.text.split_whitespace().collect();
        for before in [
            "NAME:&str=\"",
            "report(\"",
            "broken(\"",
            "report(case,findings,\"",
        ] {
            let after = code.split(before).skip(1);
            names.extend(after.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    names
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
