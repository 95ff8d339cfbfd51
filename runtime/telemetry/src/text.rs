//! [`MetricsText`]: Prometheus' text format, written line by line.

use std::fmt::Write;

#[derive(Debug, Default)]
pub struct MetricsText(pub String);

impl MetricsText {
    /// Begins a metric; its lines follow. `kind`: `counter` or `gauge`.
    pub fn head(&mut self, name: &str, kind: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
    }

    pub fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"");
            for sign in value.chars() {
                match sign {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = match value {
            f64::INFINITY => writeln!(self.0, " +Inf"),
            value => writeln!(self.0, " {value}"),
        };
    }

    /// A metric of one series.
    pub fn one(&mut self, name: &str, kind: &str, value: f64) {
        self.head(name, kind);
        self.line(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hold_anything_are_written_so_that_they_can_be_read() {
        let mut text = MetricsText::default();
        text.head("a", "gauge");
        text.line("a", &[("connector", "c\"\\\n"), ("task", "0")], f64::INFINITY);
        text.one("b_total", "counter", 3.0);
        let expected =
            "# TYPE a gauge\na{connector=\"c\\\"\\\\\\n\",task=\"0\"} +Inf\n# TYPE b_total counter\nb_total 3\n";
        assert_eq!(text.0, expected);
    }
}
