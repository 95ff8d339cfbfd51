//! JSON, String and ByteArray converters, on columns.
