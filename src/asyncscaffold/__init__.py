"""Asks before going async, renders the Rust project that fits, updates it without losing an edit."""
