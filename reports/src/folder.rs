//! The report folder: one sub-folder per cell, `index.html` and `report.json` at the top.
//!
//! A file is written under another name first and then renamed, so that a reader never sees half of
//! one. Nothing in a file depends on the machine, the time or the folder's path.

use crate::{Cell, ReportError, Run, chart, html};
use ktrial_sim::history::Record;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Longest name of a cell's folder, in bytes.
const LONGEST_NAME: usize = 100;

/// Writes the report of a run; `jsonl` gives a record as text.
pub(crate) fn write(
    run: &Run,
    folder: &Path,
    jsonl: impl Fn(&Record) -> String,
) -> Result<(), ReportError> {
    let names = cell_names(run);
    let mut charts = Vec::new();
    for (cell, name) in run.cells.iter().zip(&names) {
        let chart = chart::svg(cell)?;
        write_cell(cell, &folder.join(name), &chart, &jsonl(&cell.record))?;
        charts.push(chart);
    }
    let page = html::page(run, &names, &charts);
    write_file(folder, "report.json", &pretty(&crate::json(run))?)?;
    write_file(folder, "index.html", &page)
}

fn write_cell(cell: &Cell, folder: &Path, chart: &str, jsonl: &str) -> Result<(), ReportError> {
    let story = format!("{}\n{}", crate::story(cell), crate::verdict_text(cell));
    write_file(folder, "plan.json", &pretty(&cell.plan)?)?;
    write_file(folder, "record.jsonl", jsonl)?;
    write_file(folder, "verdict.json", &pretty(&cell.verdict)?)?;
    write_file(folder, "story.txt", &story)?;
    write_file(folder, "chart.svg", chart)
}

/// Indented JSON with a line end.
fn pretty(value: &impl Serialize) -> Result<String, ReportError> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| ReportError::Write {
        path: "JSON".to_owned(),
        source: error.into(),
    })?;
    Ok(text + "\n")
}

fn write_file(folder: &Path, name: &str, text: &str) -> Result<(), ReportError> {
    let path = folder.join(name);
    let partial = folder.join(format!(".{name}.partial"));
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&partial, text))
        .and_then(|()| fs::rename(&partial, &path));
    written.map_err(|source| ReportError::Write {
        path: path.display().to_string(),
        source,
    })
}

/// A name for each cell's folder: its settings where they make a good and unique one.
pub(crate) fn cell_names(run: &Run) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for (index, cell) in run.cells.iter().enumerate() {
        let name = settings_name(cell);
        let usable = !name.is_empty() && name.len() <= LONGEST_NAME && !taken.contains(&name);
        let name = if usable {
            name
        } else {
            format!("cell-{}", index + 1)
        };
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// Variables without their `$`; a list as `3-2-1`.
fn settings_name(cell: &Cell) -> String {
    let pairs = cell.plan.cell.iter();
    let plain = |text: &str| text.replace(", ", "-").replace(['$', '[', ']'], "");
    let pairs = pairs.map(|(key, value)| format!("{}={}", plain(key), plain(value)));
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '=' | '-' | '_' | '+');
    let text = pairs.collect::<Vec<String>>().join("+");
    let text: String = text
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .collect();
    text.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use std::path::PathBuf;

    /// Left behind to be looked at.
    fn scratch(name: &str) -> PathBuf {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let folder = target.join("report-tests").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn files(folder: &Path, below: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
        found.sort();
    }

    #[test]
    fn the_folder_has_exactly_the_named_files() {
        let folder = scratch("flagship");
        let run = fixture::run();
        write(&run, &folder, |_| "{}\n".to_owned()).unwrap();
        write(&run, &folder, |_| "{}\n".to_owned()).unwrap();
        let mut found = Vec::new();
        files(&folder, "", &mut found);
        let mut expected = vec!["index.html".to_owned(), "report.json".to_owned()];
        for value in ["false", "true"] {
            let cell = format!("unclean.leader.election.enable={value}");
            let names = [
                "chart.svg",
                "plan.json",
                "record.jsonl",
                "story.txt",
                "verdict.json",
            ];
            expected.extend(names.map(|name| format!("{cell}/{name}")));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn the_same_run_gives_the_same_bytes() {
        let mut run = fixture::run();
        run.cells = vec![fixture::busy(), fixture::empty()];
        let folders = [scratch("busy"), scratch("busy-again")];
        for folder in &folders {
            write(&run, folder, |_| String::new()).unwrap();
        }
        let mut found = Vec::new();
        files(&folders[0], "", &mut found);
        assert_eq!(found.len(), 12);
        for name in found {
            let read = |folder: &PathBuf| fs::read(folder.join(&name)).unwrap();
            assert_eq!(read(&folders[0]), read(&folders[1]), "{name}");
        }
    }

    #[test]
    fn an_unwritable_folder_is_told_with_its_path() {
        let folder = scratch("unwritable");
        let blocked = folder.join("file");
        fs::write(&blocked, "").unwrap();
        let error = write(&fixture::run(), &blocked, |_| String::new()).unwrap_err();
        assert!(matches!(error, ReportError::Write { .. }));
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn cells_without_a_good_name_are_numbered() {
        let mut run = fixture::run();
        run.cells[0].plan.cell.clear();
        let setting = ("a/../b c".to_owned(), "ü".to_owned());
        run.cells[1].plan.cell = [setting].into();
        assert_eq!(cell_names(&run), ["cell-1", "a_.._b_c=_"]);
        run.cells[0].plan.cell = run.cells[1].plan.cell.clone();
        assert_eq!(cell_names(&run), ["a_.._b_c=_", "cell-2"]);
    }

    #[test]
    fn variables_make_plain_names() {
        let mut run = fixture::run();
        let cell = [("$back", "[3, 2, 1]"), ("$how", "kill"), ("acks", "1")];
        let cell = cell.map(|(key, value)| (key.to_owned(), value.to_owned()));
        run.cells[0].plan.cell = cell.into();
        assert_eq!(cell_names(&run)[0], "back=3-2-1+how=kill+acks=1");
    }
}
