"""Asks before going async, renders the Rust project that fits, later updates it safely."""
