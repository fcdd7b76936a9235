//! Every statement is understood by both engines, and every table has one owner.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_db::testing::prepare_all;
use gatepost_server::features::{FEATURES, Feature};
use gatepost_testkit::on_each_db;

use crate::source;

on_each_db! {
    async fn every_statement_is_understood(app: TestApp) {
        let all: Vec<_> = FEATURES.iter().flat_map(|feature| feature.statements).copied().collect();
        assert!(all.len() > 20, "{} statements", all.len());
        prepare_all(app.db(), &all).await.unwrap_or_else(|refused| panic!("{refused:#?}"));
    }

    async fn every_table_has_one_owner(app: TestApp) {
        let owned: Vec<_> = FEATURES.iter().flat_map(|feature| feature.tables).map(|table| (*table).to_owned()).collect();
        let owners: BTreeSet<_> = owned.iter().cloned().collect();
        assert_eq!(owned.len(), owners.len(), "two features own one table: {owned:?}");
        let mut tables: BTreeSet<_> = gatepost_db::schema::read(app.db()).await.unwrap().into_keys().collect();
        // The migrations' own.
        assert!(tables.remove("schema_migrations"));
        assert_eq!(tables, owners);
    }
}

#[test]
fn a_feature_writes_its_own_tables_and_reads_those_of_earlier_features() {
    let wrong: Vec<_> = FEATURES
        .iter()
        .enumerate()
        .flat_map(|(position, feature)| {
            feature.statements.iter().flat_map(move |statement| {
                // Ours differ in their texts; both are looked at.
                [statement.sqlite(), statement.postgres()].into_iter().filter_map(move |text| {
                    let wrong = trespass(text, position, FEATURES)?;
                    Some(format!("{}::{}: {wrong}", feature.name, statement.name()))
                })
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a statement of the feature at this position must not do, if it does.
fn trespass(text: &str, position: usize, features: &[Feature]) -> Option<String> {
    let owners: BTreeMap<&str, usize> = features
        .iter()
        .enumerate()
        .flat_map(|(owner, feature)| feature.tables.iter().map(move |table| (*table, owner)))
        .collect();
    let words: Vec<&str> = unquoted(text)
        .flat_map(|part| part.split(|letter: char| letter != '_' && !letter.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().enumerate().find_map(|(at, &word)| {
        let before = |steps: usize| at.checked_sub(steps).map_or("", |at| words[at]).to_ascii_uppercase();
        let writes = matches!((&*before(2), &*before(1)), ("INSERT", "INTO") | ("DELETE", "FROM"))
            // Not `ON CONFLICT … DO UPDATE` and not `FOR UPDATE`.
            || (before(1) == "UPDATE" && !matches!(&*before(2), "DO" | "FOR"));
        match owners.get(word) {
            Some(&owner) if writes && owner != position => {
                Some(format!("writes {word}, which {} owns", features[owner].name))
            }
            Some(&owner) if owner > position => {
                Some(format!("reads {word}, which the later {} owns", features[owner].name))
            }
            None if writes && word != "SET" => Some(format!("writes {word}, which nobody owns")),
            Some(_) | None => None,
        }
    })
}

/// The parts of a statement that are no literals.
fn unquoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('\'').step_by(2)
}

#[test]
fn trespassing_is_noticed() {
    let feature = |name, tables| Feature { name, tables, statements: &[] };
    let features = [feature("early", &["apples"] as &[_]), feature("late", &["pears"])];
    for fine in [
        "INSERT INTO pears (x) SELECT x FROM apples ON CONFLICT (x) DO UPDATE SET x = 1",
        "DELETE FROM pears WHERE x IN (SELECT x FROM apples FOR UPDATE)",
        "SELECT 'DELETE FROM apples' FROM pears",
    ] {
        assert_eq!(trespass(fine, 1, &features), None, "{fine}");
    }
    for wrong in [
        "INSERT INTO apples (x) VALUES (1)",
        "WITH gone AS (DELETE FROM apples RETURNING x) INSERT INTO pears (x) SELECT x FROM gone",
        "UPDATE apples SET x = 1",
        "INSERT INTO plums (x) VALUES (1)",
    ] {
        assert!(trespass(wrong, 1, &features).is_some(), "{wrong}");
    }
    assert!(trespass("SELECT x FROM apples JOIN pears USING (x)", 0, &features).is_some());
}

#[test]
fn every_statement_stands_in_the_sql_rs_of_a_feature() {
    let known: BTreeSet<_> = FEATURES
        .iter()
        .map(|feature| format!("crates/gatepost-server/src/{}/sql.rs", feature.name))
        .collect();
    for file in source::server_files() {
        let declares = file.code.contains("statements! {") || file.code.contains("Statement::new(");
        assert!(
            !declares || known.contains(&file.path),
            "{} declares statements that features.rs does not collect",
            file.path
        );
    }
}
