//! A real SQLite file, as another program beside the hub would use it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Row};

#[derive(Debug, Clone)]
pub struct Sqlite {
    pool: SqlitePool,
}

impl Sqlite {
    /// Opens the file and creates it when it is missing. WAL mode, so that a writer and the hub do not wait for each other.
    pub async fn open(path: &Path) -> Result<Sqlite> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(20));
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Ok(Sqlite { pool: pool.with_context(|| format!("cannot open {}", path.display()))? })
    }

    /// Runs statements, several in one text if need be.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.with_context(|| sql.to_owned())?;
        Ok(())
    }

    /// One transaction with many rows of one statement.
    pub async fn insert(&self, sql: &str, rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        for row in rows {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in row {
                query = query.bind(value);
            }
            query.execute(&mut *transaction).await.with_context(|| sql.to_owned())?;
        }
        transaction.commit().await.context("cannot commit")
    }

    pub async fn count(&self, table: &str) -> Result<u64> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{table}\""))).fetch_one(&self.pool).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// One integer column of every row.
    pub async fn integers(&self, sql: &str) -> Result<Vec<i64>> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.pool).await.with_context(|| sql.to_owned())?;
        rows.iter().map(|row| row.try_get(0).context("no integer")).collect()
    }

    /// One text column of every row.
    pub async fn texts(&self, sql: &str) -> Result<Vec<String>> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.pool).await.with_context(|| sql.to_owned())?;
        rows.iter().map(|row| row.try_get(0).context("no text")).collect()
    }

    pub async fn close(self) {
        self.pool.close().await;
    }
}
