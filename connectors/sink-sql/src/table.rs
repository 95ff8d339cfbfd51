//! The target tables: which columns they have, making them and adding to them.

use crate::config::SinkConfig;
use crate::schema::TargetColumn;
use sluice_plugin_sdk::sql::{Connection, TableInfo};
use sluice_plugin_sdk::{Error, Result};
use std::collections::BTreeMap;

/// Columns of the tables that were looked at, by table. Forgotten when a transaction fails: what it made is gone.
#[derive(Default)]
pub struct Tables(BTreeMap<String, Vec<String>>);

impl Tables {
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// The statements after which `table` has all `columns`.
    ///
    /// # Errors
    /// Fatal when something is missing and the config does not allow to make it.
    pub fn changes(
        &mut self,
        connection: &Connection,
        config: &SinkConfig,
        table: &str,
        columns: &[TargetColumn],
    ) -> Result<Vec<String>> {
        let known = self.0.get(table);
        if known.is_some_and(|known| columns.iter().all(|column| known.contains(&column.name))) {
            return Ok(Vec::new());
        }
        let info = TableInfo { catalog: None, schema: None, name: table.to_owned(), kind: "TABLE".to_owned() };
        let found = connection.columns(&info)?;
        let found = found.map(|found| found.into_iter().map(|column| column.name).collect());
        let existing = with_planned(found, known);
        let statements = statements(config, table, columns, existing.as_deref())?;
        let mut known = existing.unwrap_or_default();
        known.extend(columns.iter().map(|column| column.name.clone()));
        self.0.insert(table.to_owned(), known);
        Ok(statements)
    }
}

/// What the table has, and what earlier batches of the same delivery are about to make.
fn with_planned(found: Option<Vec<String>>, planned: Option<&Vec<String>>) -> Option<Vec<String>> {
    match (found, planned) {
        (Some(mut found), Some(planned)) => {
            found.extend(planned.iter().filter(|name| !found.contains(name)).cloned().collect::<Vec<_>>());
            Some(found)
        }
        (found, planned) => found.or_else(|| planned.cloned()),
    }
}

fn statements(
    config: &SinkConfig,
    table: &str,
    columns: &[TargetColumn],
    existing: Option<&[String]>,
) -> Result<Vec<String>> {
    let Some(existing) = existing else {
        if config.auto_create {
            return Ok(vec![config.dialect.create_table(table, columns)?]);
        }
        let message = format!("table {table:?} does not exist: create it or set auto.create=true");
        return Err(Error::fatal("sql.no-such-table", message));
    };
    // SQLite compares names without case.
    let is_missing = |column: &&TargetColumn| !existing.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
    let missing: Vec<&TargetColumn> = columns.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let names = missing.iter().map(|column| format!("{:?}", column.name)).collect::<Vec<_>>().join(", ");
    if !config.auto_evolve {
        let message = format!(
            "table {table:?} lacks {names}: add the columns, set auto.evolve=true or leave them out by fields.whitelist"
        );
        return Err(Error::fatal("sql.no-such-column", message));
    }
    if let Some(required) = missing.iter().find(|column| !column.is_optional() && column.schema["default"].is_null()) {
        let message = format!(
            "table {table:?} lacks {:?}, which is required and has no default, so that it cannot be added: add it by hand",
            required.name
        );
        return Err(Error::fatal("sql.no-such-column", message));
    }
    missing.into_iter().map(|column| config.dialect.add_column(table, column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;
    use crate::schema::target_columns;
    use crate::schema::tests::person;

    fn changes(given: &[(&str, &str)], existing: Option<&[&str]>) -> Result<Vec<String>> {
        let config = SinkConfig::parse(&config(given)).unwrap();
        let columns = target_columns(&person(), &config).unwrap();
        let existing = existing.map(|names| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        statements(&config, "t", &columns, existing.as_deref())
    }

    #[test]
    fn what_a_delivery_is_about_to_make_counts_as_there() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(with_planned(None, None), None);
        assert_eq!(with_planned(None, Some(&names(&["a"]))), Some(names(&["a"])));
        assert_eq!(with_planned(Some(names(&["a"])), Some(&names(&["a", "b"]))), Some(names(&["a", "b"])));
    }

    #[test]
    fn a_table_is_made_or_grown_only_when_that_is_allowed() {
        assert!(changes(&[], None).unwrap_err().message.contains("auto.create"));
        assert!(changes(&[("auto.create", "true")], None).unwrap()[0].starts_with("CREATE TABLE"));
        assert!(changes(&[], Some(&["id", "NAME", "age"])).unwrap().is_empty());
        let lacking = changes(&[], Some(&["id", "name"])).unwrap_err();
        assert!(lacking.message.contains("\"age\"") && lacking.message.contains("auto.evolve"), "{lacking}");
        let grown = changes(&[("auto.evolve", "true")], Some(&["id", "name"])).unwrap();
        assert_eq!(grown, [r#"ALTER TABLE "t" ADD COLUMN "age" INTEGER"#]);
        assert!(changes(&[("auto.evolve", "true")], Some(&["name", "age"])).unwrap_err().message.contains("by hand"));
    }
}
