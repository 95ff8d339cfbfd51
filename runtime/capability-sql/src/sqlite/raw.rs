//! SQLite's C interface, as far as this crate needs it: the only unsafe code here.
//!
//! Why not through sqlx: it moves every row and every statement through a channel to a thread of its own, copying each
//! value (`examples/sqlx_rates.rs` measures both). The library underneath is the same `libsqlite3-sys`.
//!
//! Soundness: connections are opened without SQLite's own mutex, so that a connection and its statements may be used by one
//! thread at a time. [`Connection`] is `Send` but not `Sync`; a [`Statement`] borrows it and is therefore tied to that thread;
//! [`Running`] owns both and moves them together. [`Interrupter`] is the one exception that SQLite allows from any thread,
//! and a mutex keeps it from reaching a closed connection.
#![allow(unsafe_code)]

use libsqlite3_sys as ffi;
use parking_lot::Mutex;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use ffi::{
    SQLITE_AUTH, SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_CONSTRAINT, SQLITE_FULL, SQLITE_INTERRUPT, SQLITE_IOERR,
    SQLITE_LOCKED, SQLITE_MISMATCH, SQLITE_NOMEM, SQLITE_NOTADB, SQLITE_READONLY, SQLITE_TOOBIG,
};

/// What SQLite answered: its extended result code and its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLite code {code})")]
pub struct SqliteError {
    pub code: i32,
    pub message: String,
}

impl SqliteError {
    /// The result code without its extension.
    #[must_use]
    pub fn primary(&self) -> i32 {
        self.code & 0xff
    }

    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a value is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Null,
    Integer,
    Real,
    Text,
    Blob,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
    CreateIfMissing,
}

/// Ends what a connection is doing, from any thread.
#[derive(Debug)]
pub struct Interrupter(Mutex<Option<Handle>>);

impl Interrupter {
    pub fn interrupt(&self) {
        if let Some(handle) = &*self.0.lock() {
            // SAFETY: the connection takes the handle out, under this lock, before it closes it; SQLite allows the call
            // from any thread meanwhile.
            unsafe { ffi::sqlite3_interrupt(handle.0.as_ptr()) };
        }
    }
}

#[derive(Debug)]
struct Handle(NonNull<ffi::sqlite3>);

// SAFETY: only `Interrupter` shares it between threads, and only for `sqlite3_interrupt`.
unsafe impl Send for Handle {}

/// An open connection. Dropping it rolls an open transaction back.
#[derive(Debug)]
pub struct Connection {
    handle: NonNull<ffi::sqlite3>,
    interrupter: Arc<Interrupter>,
    /// Set while this crate runs its own statements, which may be of the kinds that [`authorize`] refuses.
    trusted: Box<AtomicBool>,
    _not_sync: PhantomData<*mut ()>,
}

// SAFETY: SQLite is compiled thread-safe; a connection without mutex may move between threads as long as one uses it at a
// time, which `&Connection` being `!Send` ensures.
unsafe impl Send for Connection {}

impl Connection {
    /// Opens `path`, which must hold no symbolic link. From here on the connection refuses what would reach other files.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, access: Access) -> Result<Self, SqliteError> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| SqliteError::new(SQLITE_CANTOPEN, "the path holds a zero byte"))?;
        let access = match access {
            Access::ReadOnly => ffi::SQLITE_OPEN_READONLY,
            Access::ReadWrite => ffi::SQLITE_OPEN_READWRITE,
            Access::CreateIfMissing => ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE,
        };
        let flags = access | ffi::SQLITE_OPEN_NOMUTEX | ffi::SQLITE_OPEN_PRIVATECACHE | ffi::SQLITE_OPEN_NOFOLLOW;
        let mut handle = ptr::null_mut();
        // SAFETY: `path` is a C string and `handle` a place for the pointer.
        let code = unsafe { ffi::sqlite3_open_v2(path.as_ptr(), &raw mut handle, flags, ptr::null()) };
        let Some(handle) = NonNull::new(handle) else {
            return Err(SqliteError::new(SQLITE_NOMEM, "no memory for a connection"));
        };
        let connection = Self {
            handle,
            interrupter: Arc::new(Interrupter(Mutex::new(Some(Handle(handle))))),
            trusted: Box::new(AtomicBool::new(false)),
            _not_sync: PhantomData,
        };
        connection.check(code)?;
        // SAFETY: the handle is open. The authorizer's argument lives in a box that is dropped after the handle is closed.
        unsafe {
            ffi::sqlite3_extended_result_codes(handle.as_ptr(), 1);
            ffi::sqlite3_limit(handle.as_ptr(), ffi::SQLITE_LIMIT_ATTACHED, 0);
            let on: c_int = 1;
            let ignored: *mut c_int = ptr::null_mut();
            ffi::sqlite3_db_config(handle.as_ptr(), ffi::SQLITE_DBCONFIG_DEFENSIVE, on, ignored);
            let trusted = ptr::from_ref(&*connection.trusted).cast_mut().cast::<c_void>();
            ffi::sqlite3_set_authorizer(handle.as_ptr(), Some(authorize), trusted);
        }
        Ok(connection)
    }

    pub fn interrupter(&self) -> Arc<Interrupter> {
        self.interrupter.clone()
    }

    pub fn set_busy_timeout(&self, milliseconds: i32) {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_busy_timeout(self.handle.as_ptr(), milliseconds) };
    }

    /// Prepares the one statement in `sql`.
    ///
    /// # Errors
    /// What SQLite says of it, and when there is none or more than one.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>, SqliteError> {
        Ok(Statement { raw: self.prepare_raw(sql)?, _connection: PhantomData })
    }

    /// Prepares `sql` and keeps the connection with it.
    ///
    /// # Errors
    /// As [`Connection::prepare`].
    pub fn into_running(self, sql: &str) -> Result<Running, SqliteError> {
        let raw = self.prepare_raw(sql)?;
        Ok(Running { raw, connection: self })
    }

    /// Runs statements of this crate's own, which are not subject to [`authorize`].
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run_trusted(&self, sql: &str) -> Result<(), SqliteError> {
        self.trusting(|connection| connection.prepare(sql)?.run())
    }

    /// As [`Connection::run_trusted`], for more than one statement or to read rows.
    ///
    /// # Errors
    /// What `work` answers.
    pub fn trusting<T>(&self, work: impl FnOnce(&Self) -> Result<T, SqliteError>) -> Result<T, SqliteError> {
        self.trusted.store(true, Ordering::Relaxed);
        let answer = work(self);
        self.trusted.store(false, Ordering::Relaxed);
        answer
    }

    /// Rows changed since the connection was opened.
    pub fn total_changes(&self) -> i64 {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_total_changes64(self.handle.as_ptr()) }
    }

    pub fn in_transaction(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_get_autocommit(self.handle.as_ptr()) == 0 }
    }

    /// Whether a column of a table may not be null, and whether it is part of its primary key; `None`: no such column.
    pub fn table_column(&self, table: &str, column: &str) -> Option<TableColumn> {
        let (table, column) = (CString::new(table).ok()?, CString::new(column).ok()?);
        let (mut not_null, mut primary_key, mut auto_increment) = (0, 0, 0);
        // SAFETY: names are C strings; the outputs are places for integers or null.
        let code = unsafe {
            ffi::sqlite3_table_column_metadata(
                self.handle.as_ptr(),
                ptr::null(),
                table.as_ptr(),
                column.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut not_null,
                &raw mut primary_key,
                &raw mut auto_increment,
            )
        };
        (code == ffi::SQLITE_OK).then_some(TableColumn {
            not_null: not_null != 0,
            primary_key: primary_key != 0,
            auto_increment: auto_increment != 0,
        })
    }

    fn prepare_raw(&self, sql: &str) -> Result<RawStatement, SqliteError> {
        let length = c_int::try_from(sql.len())
            .map_err(|_| SqliteError::new(SQLITE_TOOBIG, "the statement is longer than 2 GiB"))?;
        let (mut statement, mut tail) = (ptr::null_mut(), ptr::null());
        // SAFETY: `sql` has `length` bytes; the outputs are places for pointers.
        let code = unsafe {
            ffi::sqlite3_prepare_v2(
                self.handle.as_ptr(),
                sql.as_ptr().cast(),
                length,
                &raw mut statement,
                &raw mut tail,
            )
        };
        self.check(code)?;
        let statement = RawStatement(
            NonNull::new(statement).ok_or_else(|| SqliteError::new(ffi::SQLITE_MISUSE, "the statement is empty"))?,
        );
        // `tail` points into `sql`, behind the first statement.
        let rest = &sql[(tail as usize - sql.as_ptr() as usize).min(sql.len())..];
        if rest.trim_matches(|c: char| c.is_whitespace() || c == ';').is_empty() || is_comment(rest) {
            return Ok(statement);
        }
        Err(SqliteError::new(ffi::SQLITE_MISUSE, "the text holds more than one statement: run them one by one"))
    }

    fn check(&self, code: c_int) -> Result<(), SqliteError> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(last_error(self.handle.as_ptr(), code)) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.interrupter.0.lock().take();
        // SAFETY: statements borrow or own the connection and are gone; the interrupter no longer has the handle.
        unsafe { ffi::sqlite3_close(self.handle.as_ptr()) };
    }
}

/// What SQLite knows of a table's column beyond its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    pub not_null: bool,
    pub primary_key: bool,
    pub auto_increment: bool,
}

/// A prepared statement, used on the thread that has its connection.
#[derive(Debug)]
pub struct Statement<'c> {
    raw: RawStatement,
    _connection: PhantomData<&'c Connection>,
}

impl std::ops::Deref for Statement<'_> {
    type Target = RawStatement;

    fn deref(&self) -> &RawStatement {
        &self.raw
    }
}

impl std::ops::DerefMut for Statement<'_> {
    fn deref_mut(&mut self) -> &mut RawStatement {
        &mut self.raw
    }
}

/// A prepared statement with its connection.
#[derive(Debug)]
pub struct Running {
    // Dropped before the connection: fields go in order.
    raw: RawStatement,
    connection: Connection,
}

// SAFETY: statement and connection move together, and no reference to the statement outlives the borrow of `Running`.
unsafe impl Send for Running {}

impl Running {
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn statement(&mut self) -> &mut RawStatement {
        &mut self.raw
    }

    pub fn parts(&mut self) -> (&mut RawStatement, &Connection) {
        (&mut self.raw, &self.connection)
    }

    /// Ends the statement and gives the connection back.
    pub fn into_connection(self) -> Connection {
        drop(self.raw);
        self.connection
    }
}

/// What a prepared statement can do. Columns are numbered from 0, parameters from 1.
#[derive(Debug)]
pub struct RawStatement(NonNull<ffi::sqlite3_stmt>);

impl RawStatement {
    pub fn parameter_count(&self) -> usize {
        // SAFETY: the statement is prepared, here and below.
        usize::try_from(unsafe { ffi::sqlite3_bind_parameter_count(self.0.as_ptr()) }).unwrap_or(0)
    }

    pub fn bind_null(&mut self, parameter: usize) -> Result<(), SqliteError> {
        let code = unsafe { ffi::sqlite3_bind_null(self.0.as_ptr(), parameter as c_int) };
        self.check(code)
    }

    pub fn bind_i64(&mut self, parameter: usize, value: i64) -> Result<(), SqliteError> {
        let code = unsafe { ffi::sqlite3_bind_int64(self.0.as_ptr(), parameter as c_int, value) };
        self.check(code)
    }

    pub fn bind_f64(&mut self, parameter: usize, value: f64) -> Result<(), SqliteError> {
        let code = unsafe { ffi::sqlite3_bind_double(self.0.as_ptr(), parameter as c_int, value) };
        self.check(code)
    }

    pub fn bind_text(&mut self, parameter: usize, value: &str) -> Result<(), SqliteError> {
        // SAFETY: SQLite copies the bytes before it returns (TRANSIENT).
        let code = unsafe {
            ffi::sqlite3_bind_text64(
                self.0.as_ptr(),
                parameter as c_int,
                value.as_ptr().cast(),
                value.len() as u64,
                ffi::SQLITE_TRANSIENT(),
                ffi::SQLITE_UTF8 as u8,
            )
        };
        self.check(code)
    }

    pub fn bind_blob(&mut self, parameter: usize, value: &[u8]) -> Result<(), SqliteError> {
        if value.is_empty() {
            // A null pointer would be NULL, and an empty slice's pointer is arbitrary.
            let code = unsafe { ffi::sqlite3_bind_zeroblob(self.0.as_ptr(), parameter as c_int, 0) };
            return self.check(code);
        }
        // SAFETY: as in `bind_text`.
        let code = unsafe {
            ffi::sqlite3_bind_blob64(
                self.0.as_ptr(),
                parameter as c_int,
                value.as_ptr().cast(),
                value.len() as u64,
                ffi::SQLITE_TRANSIENT(),
            )
        };
        self.check(code)
    }

    /// Goes to the next row; false: there is none.
    pub fn step(&mut self) -> Result<bool, SqliteError> {
        match unsafe { ffi::sqlite3_step(self.0.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(self.error(code)),
        }
    }

    /// Ready to run again; bindings stay.
    pub fn reset(&mut self) {
        // Its code repeats the error of the last step, which was handled then.
        unsafe { ffi::sqlite3_reset(self.0.as_ptr()) };
    }

    /// Steps to the end, ignoring rows.
    pub fn run(&mut self) -> Result<(), SqliteError> {
        while self.step()? {}
        Ok(())
    }

    pub fn column_count(&self) -> usize {
        usize::try_from(unsafe { ffi::sqlite3_column_count(self.0.as_ptr()) }).unwrap_or(0)
    }

    pub fn column_name(&self, column: usize) -> String {
        self.text_of(unsafe { ffi::sqlite3_column_name(self.0.as_ptr(), column as c_int) }).unwrap_or_default()
    }

    /// The type in the table's definition; `None` for an expression or a column without one.
    pub fn column_declared_type(&self, column: usize) -> Option<String> {
        self.text_of(unsafe { ffi::sqlite3_column_decltype(self.0.as_ptr(), column as c_int) })
    }

    /// The table that the column comes from, when it is a table's column.
    pub fn column_table(&self, column: usize) -> Option<String> {
        self.text_of(unsafe { ffi::sqlite3_column_table_name(self.0.as_ptr(), column as c_int) })
    }

    pub fn column_origin(&self, column: usize) -> Option<String> {
        self.text_of(unsafe { ffi::sqlite3_column_origin_name(self.0.as_ptr(), column as c_int) })
    }

    #[inline]
    pub fn storage(&self, column: usize) -> Storage {
        match unsafe { ffi::sqlite3_column_type(self.0.as_ptr(), column as c_int) } {
            ffi::SQLITE_INTEGER => Storage::Integer,
            ffi::SQLITE_FLOAT => Storage::Real,
            ffi::SQLITE_TEXT => Storage::Text,
            ffi::SQLITE_BLOB => Storage::Blob,
            _ => Storage::Null,
        }
    }

    #[inline]
    pub fn i64(&self, column: usize) -> i64 {
        unsafe { ffi::sqlite3_column_int64(self.0.as_ptr(), column as c_int) }
    }

    #[inline]
    pub fn f64(&self, column: usize) -> f64 {
        unsafe { ffi::sqlite3_column_double(self.0.as_ptr(), column as c_int) }
    }

    /// The bytes of a text or a blob, valid until the next step. Numbers must not be read this way.
    #[inline]
    pub fn bytes(&self, column: usize) -> &[u8] {
        // SAFETY: pointer first, then length, as SQLite asks for; both stay valid until step, reset or drop, which need
        // `&mut self`.
        unsafe {
            let start = ffi::sqlite3_column_blob(self.0.as_ptr(), column as c_int).cast::<u8>();
            let length = usize::try_from(ffi::sqlite3_column_bytes(self.0.as_ptr(), column as c_int)).unwrap_or(0);
            if start.is_null() { &[] } else { std::slice::from_raw_parts(start, length) }
        }
    }

    fn text_of(&self, text: *const c_char) -> Option<String> {
        // SAFETY: SQLite's names are C strings that live as long as the statement is not stepped or finalized.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }

    fn check(&self, code: c_int) -> Result<(), SqliteError> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }

    fn error(&self, code: c_int) -> SqliteError {
        last_error(unsafe { ffi::sqlite3_db_handle(self.0.as_ptr()) }, code)
    }
}

impl Drop for RawStatement {
    fn drop(&mut self) {
        // SAFETY: prepared, and finalized only here.
        unsafe { ffi::sqlite3_finalize(self.0.as_ptr()) };
    }
}

fn last_error(handle: *mut ffi::sqlite3, code: c_int) -> SqliteError {
    // SAFETY: the handle is open; the message is copied before another call can replace it.
    let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(handle)) }.to_string_lossy().into_owned();
    SqliteError { code, message }
}

fn is_comment(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == ';');
        line.is_empty() || line.starts_with("--")
    })
}

/// Pragmas that only tell something.
const PRAGMAS_ALLOWED: [&str; 17] = [
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "page_count",
    "page_size",
    "quick_check",
    "table_info",
    "table_list",
];

/// Refuses what would reach another file, change how the connection works, or end its transaction behind its back.
unsafe extern "C" fn authorize(
    trusted: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    _database: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    // SAFETY: `open` passes a box that outlives the handle; the names are C strings or null.
    let (trusted, first, second) = unsafe {
        let name = |text: *const c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy());
        (&*trusted.cast::<AtomicBool>(), name(first), name(second))
    };
    if trusted.load(Ordering::Relaxed) {
        return ffi::SQLITE_OK;
    }
    let is = |name: &Option<std::borrow::Cow<'_, str>>, other: &str| {
        name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(other))
    };
    let refused = match action {
        ffi::SQLITE_ATTACH | ffi::SQLITE_DETACH | ffi::SQLITE_TRANSACTION => true,
        ffi::SQLITE_FUNCTION => is(&second, "load_extension") || is(&second, "fts3_tokenizer"),
        ffi::SQLITE_PRAGMA => !is(&first, "table_xinfo") && !PRAGMAS_ALLOWED.iter().any(|allowed| is(&first, allowed)),
        _ => false,
    };
    if refused { ffi::SQLITE_DENY } else { ffi::SQLITE_OK }
}
