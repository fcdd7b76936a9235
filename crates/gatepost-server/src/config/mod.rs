//! Configuration: read raw, believed typed.
