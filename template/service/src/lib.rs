//! The service: what runs, what it is given, and in what order it stops.

pub mod duration;
//{% if http %}
pub mod http;
//{% endif %}
pub mod lifecycle;
pub mod problem;
pub mod store;
