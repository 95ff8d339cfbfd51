//! The record model: ConnectBatch and Connect's Schema over Arrow.
