"""asyncscaffold: asks before going async, renders the Rust project that fits, updates it safely."""
