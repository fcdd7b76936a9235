//! Passwords: how they are judged, hashed and verified.
