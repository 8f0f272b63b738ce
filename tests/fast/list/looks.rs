//! The calls of `check` and `estimate`: they change nothing, and keep to the contract as everything else does.

use super::stage::{FILE, JobText, Stage, people};

#[test]
fn check_and_estimate_ask_as_the_contract_says_and_change_nothing() {
    let stage = Stage::new();
    stage.audience(people(1..=3));
    stage.job(&JobText {
        list: "name = \"New\"\ncreate = true".to_owned(),
        ..JobText::default()
    });
    stage.execute(&["check", FILE]).exits(0);
    assert_eq!(
        stage.count("bulk_import_profiles"),
        1,
        "one that imports nobody"
    );
    stage.job(&JobText::list("mirror = \"exact\""));
    stage.execute(&["check", FILE]).exits(0);
    assert_eq!(
        stage.count("add_profiles_to_list"),
        1,
        "one that adds nobody"
    );
    let told = stage.execute(&["estimate", FILE]).exits(0).stdout;
    assert!(told.contains("list: mirror"), "{told}");
    assert_eq!(stage.count("create_list"), 0);
    assert!(stage.api().profiles().is_empty());
}
