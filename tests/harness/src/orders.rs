//! A shop's database, made up from a seed: a table of order events that a writer keeps adding to. `id` is the sequence id, from 1.

use std::path::Path;

use anyhow::Result;

use crate::random::Random;
use crate::sqlite::Sqlite;

const ITEMS: [&str; 6] = ["espresso machine", "grinder", "kettle", "filter papers", "scale", "Tasse für Müsli"];
const STEPS: [&str; 4] = ["placed", "paid", "shipped", "returned"];
const TABLE: &str = "CREATE TABLE IF NOT EXISTS order_events (\
    id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER NOT NULL, customer TEXT NOT NULL, item TEXT NOT NULL, \
    quantity INTEGER NOT NULL, price REAL NOT NULL, note TEXT, status TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO order_events (order_id, customer, item, quantity, price, note, status) \
    VALUES (CAST(? AS INTEGER), ?, ?, CAST(? AS INTEGER), CAST(? AS REAL), NULLIF(?, ''), ?)";

#[derive(Debug)]
pub struct Orders {
    database: Sqlite,
    random: Random,
    written: u64,
}

impl Orders {
    pub async fn create(path: &Path, seed: u64) -> Result<Orders> {
        let database = Sqlite::open(path).await?;
        database.execute(TABLE).await?;
        Ok(Orders { database, random: Random::new(seed), written: 0 })
    }

    /// How many events were written so far, which is also the last id.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds events in one transaction.
    pub async fn append(&mut self, events: u64) -> Result<()> {
        let rows: Vec<Vec<String>> = (0..events).map(|_| self.event()).collect();
        self.database.insert(INSERT, rows).await?;
        self.written += events;
        Ok(())
    }

    pub fn database(&self) -> &Sqlite {
        &self.database
    }

    fn event(&mut self) -> Vec<String> {
        let random = &mut self.random;
        let note = if random.below(4) == 0 { "leave it at the door" } else { "" };
        vec![
            (1 + random.below(5_000)).to_string(),
            format!("customer-{:04}", random.below(2_000)),
            (*random.pick(&ITEMS)).to_owned(),
            (1 + random.below(5)).to_string(),
            format!("{}.{:02}", random.below(400), random.below(100)),
            note.to_owned(),
            (*random.pick(&STEPS)).to_owned(),
        ]
    }
}
