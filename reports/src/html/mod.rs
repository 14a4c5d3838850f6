//! The report page: one file, nothing loaded from anywhere, readable in light and dark.
//!
//! Every text from the trial goes through [`escape`]; the page holds no script.
//!
//! Next: `log_table.rs`, for the final logs.

mod log_table;

use crate::verdict_text::{counts, permitted, promised};
use crate::words;
use crate::{Cell, Run};
use ktrial_sim::verdict::{Class, Lost};
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");

/// The page of a run; `names` are the folders of its cells, `charts` their SVG.
pub(crate) fn page(run: &Run, names: &[String], charts: &[String]) -> String {
    let title = escape(&run.title);
    let mut cards = String::new();
    for ((cell, name), chart) in run.cells.iter().zip(names).zip(charts) {
        cards.push_str(&card(run, cell, name, chart));
    }
    let unmet = run.cells.iter().any(|cell| !cell.unmet.is_empty());
    let expected = if unmet {
        "<span class=\"badge broken\">not as expected</span>"
    } else {
        "<span class=\"badge kept\">as expected</span>"
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · ktrial</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<p class=\"eyebrow\">ktrial · {scenario} · {place} {expected}</p>\n\
         <h1>{title}</h1>\n<p class=\"why\">{why}</p>\n</header>\n\
         <main>\n{cards}</main>\n\
         <footer>Made by ktrial from the record of {origin} As data: <a href=\"report.json\">report.json</a></footer>\n\
         </body>\n</html>\n",
        scenario = escape(&run.scenario),
        place = place(run),
        origin = origin(run),
        why = escape(&run.why),
    )
}

/// Where the run was played.
fn place(run: &Run) -> String {
    let first = run.cells.first();
    first.map_or_else(
        || format!("seed {}", run.seed),
        |cell| escape(&cell.place()),
    )
}

fn is_real(run: &Run) -> bool {
    let mut cells = run.cells.iter();
    cells.any(|cell| cell.record.header.real.is_some())
}

/// What the record is of, as the end of a sentence.
fn origin(run: &Run) -> &'static str {
    if is_real(run) {
        "a real cluster: what its files and its clients showed."
    } else {
        "a simulated trial. The same scenario and seed give the same page."
    }
}

/// A text as HTML, in element content and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn card(run: &Run, cell: &Cell, name: &str, chart: &str) -> String {
    let sections = [
        unmet(cell),
        format!("<figure class=\"chart\">{chart}</figure>\n"),
        losses(cell),
        log_table::tables(cell),
        outages(cell),
        duplicates(cell),
        findings(cell),
        promise(cell),
        story(cell),
        replay(run, cell, name),
    ];
    let class = words::class(cell.verdict.verdict);
    format!(
        "<article class=\"card {class}\">\n<div class=\"head\">{}<span class=\"badge {class}\">\
         {} {class}</span></div>\n<p class=\"summary\">{}</p>\n{}</article>\n",
        chips(cell),
        sign(cell.verdict.verdict),
        escape(&cell.verdict.summary),
        sections.concat(),
    )
}

/// A sign for those who do not see the badge's colour.
fn sign(class: Class) -> &'static str {
    match class {
        Class::Kept => "✓",
        Class::Permitted => "△",
        Class::Unavailable => "◌",
        Class::Inconclusive => "?",
        Class::Broken => "✕",
    }
}

fn chips(cell: &Cell) -> String {
    let settings = &cell.plan.cell;
    if settings.is_empty() {
        return "<h2 class=\"settings\">default settings</h2>".to_owned();
    }
    let chips = settings.iter().map(|(key, value)| {
        let (key, value) = (escape(key), escape(value));
        format!("<span class=\"chip\">{key} = <b>{value}</b></span>")
    });
    format!("<h2 class=\"settings\">{}</h2>", chips.collect::<String>())
}

fn unmet(cell: &Cell) -> String {
    let items = cell.unmet.iter().map(|text| escape(text));
    section("Not as expected", items.collect(), "alarm")
}

/// A heading with a list, or nothing for an empty one. The items are HTML.
fn section(title: &str, items: Vec<String>, class: &str) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: Vec<String> = items
        .into_iter()
        .map(|item| format!("<li>{item}</li>\n"))
        .collect();
    let items = items.concat();
    format!("<section class=\"{class}\"><h3>{title}</h3>\n<ul>\n{items}</ul></section>\n")
}

fn losses(cell: &Cell) -> String {
    let items = cell.verdict.lost.iter().map(loss);
    section("Lost records", items.collect(), "lost")
}

fn loss(lost: &Lost) -> String {
    let mut rows = String::new();
    for link in &lost.chain {
        let (at, what) = (words::seconds(link.at_ms), escape(&link.what));
        let _ = writeln!(rows, "<tr><td class=\"time\">{at}</td><td>{what}</td></tr>");
    }
    let chain = if rows.is_empty() {
        String::new()
    } else {
        format!(
            "<details><summary>How it came, step by step</summary>\n\
             <table class=\"chain\">{rows}</table></details>"
        )
    };
    format!(
        "<p><s>{}</s> <span class=\"place\">{}-{} offset {}</span> \
         <span class=\"tag\">{}</span></p><p>{}</p>{chain}",
        escape(&lost.value),
        escape(&lost.topic),
        lost.partition,
        lost.offset,
        permitted(lost.permitted),
        escape(&lost.why),
    )
}

fn outages(cell: &Cell) -> String {
    let verdict = &cell.verdict;
    let items = verdict.unavailable.iter().map(|outage| {
        format!(
            "<p><b>{}-{}</b> {}</p><p>{}</p>",
            escape(&outage.topic),
            outage.partition,
            words::outage(outage, verdict),
            escape(&outage.why)
        )
    });
    section("Without a leader", items.collect(), "outages")
}

fn duplicates(cell: &Cell) -> String {
    let items = cell.verdict.duplicated.iter().map(|it| {
        format!(
            "<p><b>{}</b> <span class=\"place\">{}-{} offsets {}</span> \
             <span class=\"tag\">{}</span></p><p>{}</p>",
            escape(&it.value),
            escape(&it.topic),
            it.partition,
            words::list(&it.offsets),
            permitted(it.permitted),
            escape(&it.why)
        )
    });
    section("Written more than once", items.collect(), "duplicates")
}

fn findings(cell: &Cell) -> String {
    let items = cell.verdict.findings.iter().map(|it| {
        let at = it
            .at_ms
            .map_or_else(String::new, |ms| format!(" at {}", words::seconds(ms)));
        format!(
            "<p><b>{}</b>{at} <span class=\"tag\">{}</span></p><p>{}</p>",
            escape(&it.check),
            permitted(it.permitted),
            escape(&it.what)
        )
    });
    section("Findings of the checks", items.collect(), "findings")
}

fn promise(cell: &Cell) -> String {
    let promised = format!("<p><b>{}</b></p>", promised(&cell.verdict));
    let reasons = cell.verdict.promise.because.iter().map(|why| escape(why));
    let items = std::iter::once(promised).chain(reasons);
    section(
        "What this configuration promises",
        items.collect(),
        "promise",
    )
}

fn story(cell: &Cell) -> String {
    let story = escape(&crate::story(cell));
    format!(
        "<section><details class=\"story\"><summary>The story, line by line</summary>\n\
         <pre tabindex=\"0\">{story}</pre></details></section>\n"
    )
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-=,:/@+".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn replay(run: &Run, cell: &Cell, name: &str) -> String {
    let file = |file: &str| {
        let name = escape(name);
        format!("<a href=\"{name}/{file}\">{file}</a>")
    };
    let files = [
        "plan.json",
        "record.jsonl",
        "verdict.json",
        "story.txt",
        "chart.svg",
    ];
    let files: Vec<String> = files.map(file).into();
    let scenario = quoted(&run.scenario);
    let mut command = match &cell.record.header.real {
        None => format!("ktrial run {scenario} --seed {}", run.seed),
        Some(real) => {
            let (release, mode) = (&real.release, &real.mode);
            format!("ktrial-real run {scenario} --kafka {release}/{mode}")
        }
    };
    for (key, value) in &cell.plan.cell {
        let _ = write!(command, " --set {}", quoted(&format!("{key}={value}")));
    }
    format!(
        "<section class=\"replay\"><h3>Again</h3>\n<pre>{}\nktrial replay {}/plan.json   # {}</pre>\n\
         <p class=\"files\">{}</p>\n<p class=\"counts\">{}</p></section>\n",
        escape(&command),
        escape(name),
        if is_real(run) {
            "simulated, in this folder"
        } else {
            "in this folder"
        },
        files.join(" · "),
        escape(&counts(cell)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn page_of(run: &Run) -> String {
        let chart = |cell: &Cell| crate::chart::svg(cell).unwrap();
        let charts: Vec<String> = run.cells.iter().map(chart).collect();
        page(run, &crate::folder::cell_names(run), &charts)
    }

    #[test]
    fn nothing_is_loaded_from_a_network() {
        let page = page_of(&fixture::run());
        let page = page.replace("http://www.w3.org/2000/svg", "");
        for needle in ["http://", "https://", "<script", "url(", "@import"] {
            assert!(!page.contains(needle), "{needle}");
        }
    }

    #[test]
    fn texts_of_the_trial_are_never_markup() {
        let evil = "<script>alert('1')</script>";
        let mut run = fixture::run();
        run.title = evil.to_owned();
        run.why = evil.to_owned();
        let cell = &mut run.cells[1];
        cell.verdict.summary = evil.to_owned();
        cell.verdict.lost[0].value = evil.to_owned();
        cell.verdict.lost[0].why = evil.to_owned();
        cell.unmet.push(evil.to_owned());
        cell.plan.cell.insert(evil.to_owned(), evil.to_owned());
        fixture::rename_value(&mut cell.record, "B", evil);
        let page = page_of(&run);
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("acks=all"), "acks=all");
        assert_eq!(quoted("a=b c'd"), r"'a=b c'\''d'");
    }

    #[test]
    fn a_cell_is_told_in_full() {
        let page = page_of(&fixture::run());
        for part in [
            "<h1>All brokers go down",
            "unclean.leader.election.enable = <b>true</b>",
            "△ permitted",
            "✓ kept",
            "<s>B</s>",
            "waiting for broker 1",
            "ktrial run all-brokers-down --seed 7 --set unclean.leader.election.enable=true",
            "9c1e5b2f00a47d18",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }
}
