//! What a connector's author writes against.
