//! The guides for embedders show code that is compiled and tested: each piece stands in the example, word for word.

use crate::source;

const GUIDES: [&str; 2] = ["docs/guide/embedding.md", "docs/guide/protect-your-own-resource.md"];
const EXAMPLE: [&str; 3] = ["main.rs", "teams.rs", "notes.rs"];

#[test]
fn every_piece_of_rust_in_the_guides_stands_in_the_example() {
    let files = EXAMPLE.map(|name| lines(&read(&format!("crates/gatepost-server/examples/embedded/{name}"))));
    for guide in GUIDES {
        let text = read(guide);
        let pieces: Vec<_> = source::between(&text, "```rust\n", "```").collect();
        assert!(pieces.len() >= 3, "{guide} shows {} pieces", pieces.len());
        for piece in pieces {
            let wanted = lines(piece);
            let stands = files.iter().any(|file| file.windows(wanted.len()).any(|some| some == wanted));
            assert!(stands, "{guide} shows what the example does not have:\n{piece}");
        }
    }
}

fn read(path: &str) -> String {
    let path = source::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines without their indentation, and without those that are empty.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
