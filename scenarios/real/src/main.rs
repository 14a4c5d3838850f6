//! The program `ktrial-real`: everything is in the library.

fn main() {}
