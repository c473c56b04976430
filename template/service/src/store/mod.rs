//! The keys, behind one handle.
