//! Any text is a scenario or is refused with a word. What is taken becomes plans that can be run, and
//! that come back the same from a file.
#![no_main]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::write::to_toml;
use ktrial_sim::trial;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let scenario = match parse("fuzzed", "fuzzed.toml", text) {
        Ok(scenario) => scenario,
        Err(problems) => {
            assert!(!problems.render(false).is_empty());
            return;
        }
    };
    let compiled = match compile(&scenario, 1, &[]) {
        Ok(compiled) => compiled,
        Err(problems) => {
            assert!(!problems.render(true).is_empty());
            return;
        }
    };
    // One cell stands for the others.
    let Some(plan) = compiled.plans.first() else {
        return;
    };
    trial::check(plan).expect("a file was taken whose plan cannot be run");
    let again = parse("fuzzed", "written.toml", &to_toml(plan)).expect("what was written is read");
    let mut again = compile(&again, 1, &[]).expect("what was written is compiled");
    let mut plan = plan.clone();
    plan.cell.clear();
    assert_eq!(again.plans.remove(0), plan);
});
