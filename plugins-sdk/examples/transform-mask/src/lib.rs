//! Masks fields of the value: texts become a replacement, numbers 0, nulls stay null. The smallest useful transformation.

use sluice_plugin_sdk::*;

struct Mask {
    paths: Vec<(String, String)>,
    replacement: String,
}

impl Transform for Mask {
    fn definition() -> Definition {
        Definition::transformation("MaskExample", env!("CARGO_PKG_VERSION"), "Masks fields of the value.")
            .key(ConfigKey::list("fields", "Names of the fields to mask.").required().high())
            .key(ConfigKey::string("replacement", "What stands in text fields instead.").default("****"))
    }

    fn open(config: &Config) -> Result<Self> {
        let paths = config.list("fields").into_iter().map(|field| (field.to_owned(), format!("value.{field}")));
        Ok(Self { paths: paths.collect(), replacement: config.string("replacement")?.to_owned() })
    }

    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>> {
        let mut masked = batch.slice(0, batch.length())?;
        for (field, path) in &self.paths {
            let column = mask(batch.column(path)?, &self.replacement);
            masked = masked.with_field(field, &column)?;
        }
        Ok(vec![masked])
    }
}

fn mask(column: Column, replacement: &str) -> Column {
    let rows = column.len();
    let values = match column.values {
        ColumnValues::Boolean(_) => ColumnValues::Boolean(vec![0; rows]),
        ColumnValues::Int32(_) => ColumnValues::Int32(vec![0; rows]),
        ColumnValues::Int64(_) => ColumnValues::Int64(vec![0; rows]),
        ColumnValues::Float64(_) => ColumnValues::Float64(vec![0.0; rows]),
        ColumnValues::Utf8(_) => ColumnValues::Utf8(std::iter::repeat_n(replacement, rows).collect()),
        ColumnValues::Binary(_) => ColumnValues::Binary(std::iter::repeat_n([], rows).collect()),
    };
    Column { values, validity: column.validity }
}

export_transform!(Mask);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_keeps_nulls_and_the_number_of_rows() {
        let masked = mask(Column::utf8(["secret", "", "more"]).valid([true, false, true]), "****");
        assert_eq!((masked.text(0), masked.text(1), masked.text(2)), (Some("****"), None, Some("****")));
        assert_eq!(mask(Column::int64(vec![5, 6]), "****").integer(1), Some(0));
    }
}
