//! Keeps the rows whose number is large enough and whose text begins as wanted: reads two columns, and the host filters.

use sluice_plugin_sdk::*;

struct Filter {
    number: String,
    at_least: i64,
    text: String,
    prefix: String,
}

impl Transform for Filter {
    fn definition() -> Definition {
        Definition::transformation("FilterExample", env!("CARGO_PKG_VERSION"), "Keeps rows by a number and a text.")
            .key(ConfigKey::string("number.field", "A whole-number field of the value.").required().high())
            .key(ConfigKey::long("number.min", "Rows below it are dropped.").default(i64::MIN))
            .key(ConfigKey::string("text.field", "A text field of the value.").required().high())
            .key(ConfigKey::string("text.prefix", "Rows whose text begins otherwise are dropped.").default(""))
    }

    fn open(config: &Config) -> Result<Self> {
        let path = |key: &str| config.string(key).map(|field| format!("value.{field}"));
        Ok(Self {
            number: path("number.field")?,
            at_least: config.int("number.min")?,
            text: path("text.field")?,
            prefix: config.string("text.prefix")?.to_owned(),
        })
    }

    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>> {
        let (numbers, texts) = (batch.column(&self.number)?, batch.column(&self.text)?);
        Ok(vec![batch.filter(&self.keep(&numbers, &texts))?])
    }
}

impl Filter {
    /// One byte a row; nulls are dropped.
    fn keep(&self, numbers: &Column, texts: &Column) -> Vec<u8> {
        let is_kept = |row| {
            let is_large = numbers.integer(row).is_some_and(|number| number >= self.at_least);
            is_large && texts.bytes(row).is_some_and(|text| text.starts_with(self.prefix.as_bytes()))
        };
        (0..numbers.len()).map(|row| u8::from(is_kept(row))).collect()
    }
}

export_transform!(Filter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_fit_both_ways_are_kept() {
        let filter = Filter { number: String::new(), at_least: 5, text: String::new(), prefix: "a".to_owned() };
        let numbers = Column::int64(vec![4, 5, 6, 7]).valid([true, true, true, false]);
        let texts = Column::utf8(["a", "ab", "b", "a"]);
        assert_eq!(filter.keep(&numbers, &texts), [0, 1, 0, 0]);
    }
}
