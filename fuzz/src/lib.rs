//! Fuzz targets for everything that comes from strangers: frames on a line, profile files.
//!
//! What lives here: one file a target in `tests/`. What may not: tests of what is right (those are beside
//! the code); a target only says what must never happen. `cargo test -p storewarden-fuzz` runs each
//! target for a moment with random input, on a stable compiler; `README.md` says how to let a fuzzer
//! that watches coverage loose on them.
#![forbid(unsafe_code)]
