//! Passwords that are long enough and still guessed first.
//!
//! Of the 30,000 most common passwords only 229 have 12 characters, so a plain list would block nearly
//! nothing. What people do to reach the length is to take a short one and put `2026!!` behind it. Hence three
//! questions: is the text *around which* digits and punctuation stand a name that belongs to this account or
//! service? Is it a common password or word? And is the whole easier to guess than 10⁸ tries
//! (a zxcvbn score below 3; 10⁶ and 2 where eight characters are allowed)?

use std::panic::catch_unwind;

use zeroize::Zeroizing;
use zxcvbn::matching::Match;
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Score, zxcvbn};

use super::policy::Context;

/// Why a password is in the block list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockReason {
    /// The name of the service, its host, the e-mail address or the user name, with digits or punctuation at most.
    Name,
    /// One common password or word, with digits or punctuation at most.
    Common,
    /// Mostly a repeated piece.
    Repeat,
    /// Mostly a sequence or a row of the keyboard.
    Sequence,
    /// Easy to guess in some other way.
    Guessable,
}

impl BlockReason {
    /// A sentence for the person who chose the password.
    pub const fn detail(&self) -> &'static str {
        match self {
            Self::Name => {
                "The password is little more than a name that belongs to you or to this service. Digits and \
                 punctuation around it do not help."
            }
            Self::Common => {
                "The password is little more than one common password or word. Digits, punctuation and \
                 look-alike letters do not help."
            }
            Self::Repeat => "The password repeats itself too much.",
            Self::Sequence => "The password follows a sequence or a row of keys.",
            Self::Guessable => "The password is too easy to guess. Use more unrelated words or characters.",
        }
    }
}

/// How much of a password is judged, in code points. zxcvbn compares every substring with its lists, so its
/// time grows with the square of the length: 2 ms for 64, 5 ms for 100. A password whose first 64 code points
/// are weak is not one that needs more patience.
const JUDGED: usize = 64;

/// The shortest name worth looking for: `jo` would match by chance.
const SHORTEST_NAME: usize = 3;

/// The shortest remainder that is compared with the list: in `7-kiwi-93...` the word is the password, in
/// `9%3a!8...` the letter is not.
const SHORTEST_CORE: usize = 4;

/// An address is not longer than this.
const LONGEST_NAME: usize = 254;

/// More parts than this have no names of people and services.
const MOST_NAMES: usize = 32;

/// Why this password must not be set, if so: also when its zxcvbn score is below `least`.
pub(super) fn reason_to_block(password: &str, context: &Context<'_>, least: Score) -> Option<BlockReason> {
    if password.is_empty() {
        return None;
    }
    let judged = Zeroizing::new(password.chars().take(JUDGED).collect::<String>());
    let core = strip(&judged);
    let names = names(context);
    if is_made_of_names(core, &names) {
        return Some(BlockReason::Name);
    }
    let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let Some(whole) = estimate(&defuse(&judged), &inputs) else { return Some(BlockReason::Guessable) };
    if whole.score() < least {
        return Some(main_reason(whole.sequence(), judged.chars().count()));
    }
    let core_length = core.chars().count();
    if core_length < SHORTEST_CORE {
        return None;
    }
    let Some(found) = estimate(&defuse(core), &inputs) else { return Some(BlockReason::Guessable) };
    is_one_word(found.sequence(), core_length).then_some(BlockReason::Common)
}

/// What zxcvbn says. It counts guesses in numbers that overflow for some long repetitions, which ends in a panic where
/// overflow is checked: such a password is easy to guess anyway.
fn estimate(text: &str, names: &[&str]) -> Option<zxcvbn::Entropy> {
    catch_unwind(|| zxcvbn(text, names)).ok()
}

/// The text without the digits, punctuation and spaces at its ends.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphabetic())
}

/// The names that must not be a password: each as a whole and in its parts, in lower case.
fn names(context: &Context<'_>) -> Vec<String> {
    let local_part = context.email.map(|email| email.rsplit_once('@').map_or(email, |(local, _)| local));
    let known = [Some("gatepost"), context.app_name, context.public_host, local_part, context.username];
    let mut names: Vec<String> = Vec::new();
    for text in known.into_iter().flatten().filter(|text| text.len() <= LONGEST_NAME) {
        let whole = std::iter::once(text);
        for name in whole.chain(text.split(|c: char| !c.is_alphanumeric())) {
            let name = strip(name).to_lowercase();
            if names.len() < MOST_NAMES && name.chars().count() >= SHORTEST_NAME && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// Whether the core is nothing but names, in any order, with look-alike letters or with something between them.
fn is_made_of_names(core: &str, names: &[String]) -> bool {
    [letters as fn(&str) -> String, look_alikes].into_iter().any(|fold| {
        let names: Vec<String> = names.iter().map(|name| fold(name)).collect();
        is_concatenation(&Zeroizing::new(fold(core)), &names)
    })
}

/// The letters alone, in lower case.
fn letters(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect()
}

/// Letters and what looks like them ("leet"), each class as one letter. `1`, `i` and `l` are one class.
fn look_alikes(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .map(|c| match c {
            '4' | '@' => 'a',
            '8' => 'b',
            '(' | '{' | '[' | '<' => 'c',
            '3' => 'e',
            '6' | '9' => 'g',
            '1' | '!' | '|' | 'l' => 'i',
            '0' => 'o',
            '$' | '5' => 's',
            '+' | '7' => 't',
            '%' => 'x',
            '2' => 'z',
            other => other,
        })
        .filter(|c| c.is_alphabetic())
        .collect()
}

/// Whether `text` can be cut into `pieces`, each used any number of times.
fn is_concatenation(text: &str, pieces: &[String]) -> bool {
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for start in 0..text.len() {
        if !reachable[start] {
            continue;
        }
        // Pieces are whole characters, so every reachable place is a character boundary.
        for piece in
            pieces.iter().filter(|piece| !piece.is_empty() && text[start..].starts_with(piece.as_str()))
        {
            reachable[start + piece.len()] = true;
        }
    }
    !text.is_empty() && reachable[text.len()]
}

/// Look-alikes that stand for the same letter, one group a letter of zxcvbn's table that has several.
const RIVALS: [&str; 7] = ["4@", "({[<", "69", "1!|", "1|7", "$5", "+7"];

/// Takes the fuse out of zxcvbn: it searches its lists once for each way to read the look-alikes, and 22 well
/// chosen characters have hundreds of readings (0.3 s for 64 code points). A text with more than eight is
/// judged with one sign for each letter; it hardly changes what so mixed a text is worth.
fn defuse(text: &str) -> Zeroizing<String> {
    let present = |group: &str| group.chars().filter(|c| text.contains(*c)).count().max(1);
    let readings: usize = RIVALS.iter().map(|group| present(group)).product();
    if readings <= 8 {
        return Zeroizing::new(text.to_owned());
    }
    let one_sign = |c: char| match c {
        '@' => '4',
        '{' | '[' | '<' => '(',
        '!' | '|' => '1',
        '$' => '5',
        '+' => '7',
        other => other,
    };
    Zeroizing::new(text.chars().map(one_sign).collect())
}

/// Whether zxcvbn reads the whole text as one entry of its lists.
fn is_one_word(sequence: &[Match], length: usize) -> bool {
    let [only] = sequence else { return false };
    matches!(only.pattern, MatchPattern::Dictionary(_)) && only.i == 0 && only.j + 1 == length
}

/// What most of a weak password consists of.
fn main_reason(sequence: &[Match], length: usize) -> BlockReason {
    let is_most = |of: fn(&MatchPattern) -> bool| {
        let covered: usize =
            sequence.iter().filter(|found| of(&found.pattern)).map(|found| found.j + 1 - found.i).sum();
        covered * 2 > length
    };
    let words = sequence.iter().filter(|found| matches!(found.pattern, MatchPattern::Dictionary(_))).count();
    if is_most(|pattern| matches!(pattern, MatchPattern::Repeat(_))) {
        BlockReason::Repeat
    } else if is_most(|pattern| matches!(pattern, MatchPattern::Sequence(_) | MatchPattern::Spatial(_))) {
        BlockReason::Sequence
    } else if words == 1 && is_most(|pattern| matches!(pattern, MatchPattern::Dictionary(_))) {
        BlockReason::Common
    } else {
        BlockReason::Guessable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_08_names_are_bounded_whatever_somebody_calls_themselves() {
        let long = "abc.".repeat(16_000) + "@x.example";
        let context = Context { email: Some(&long), username: Some(&long), ..Context::default() };
        assert_eq!(names(&context), ["gatepost"]);
        let many = (0..60_u8).map(|n| format!("{}{}x", char::from(b'a' + n % 26), char::from(b'a' + n / 26)));
        let many = many.collect::<Vec<_>>().join(".");
        let context = Context { username: Some(&many), ..Context::default() };
        assert_eq!(names(&context).len(), MOST_NAMES);
    }

    #[test]
    fn az_09_repetitions_that_overflow_a_guess_count_are_refused_and_nothing_else() {
        for password in ["30".repeat(20), "62".repeat(16), "854".repeat(21)] {
            assert!(reason_to_block(&password, &Context::default(), Score::Three).is_some());
        }
    }

    fn reason(text: &str) -> Option<BlockReason> {
        let context = Context { email: Some("jane.doe@x.example"), ..Context::default() };
        reason_to_block(text, &context, Score::Three)
    }

    #[test]
    fn pwd_01_the_reason_is_the_one_that_helps() {
        assert_eq!(reason("Gatepost2026!!"), Some(BlockReason::Name));
        assert_eq!(reason("jane1990doe!!"), Some(BlockReason::Name));
        assert_eq!(reason("G4t3p0$t#83#41#"), Some(BlockReason::Name));
        assert_eq!(reason("password1234"), Some(BlockReason::Common));
        assert_eq!(reason("jennifer19871231!"), Some(BlockReason::Common));
        assert_eq!(reason("123456789012"), Some(BlockReason::Sequence));
        assert_eq!(reason("lovedragon12"), Some(BlockReason::Guessable));
        assert_eq!(reason("aaaaaaaaaaaa"), Some(BlockReason::Repeat));
        assert_eq!(reason("kiwi kiwi 12"), Some(BlockReason::Repeat));
    }

    #[test]
    fn look_alikes_fold_onto_each_other_whichever_letter_was_meant() {
        assert_eq!(look_alikes("|1ly"), look_alikes("LILY"));
        assert_eq!(look_alikes("g4t3p0$7"), look_alikes("GatePost"));
    }

    #[test]
    fn a_text_is_cut_into_pieces_also_when_the_greedy_cut_fails() {
        let pieces = ["jan".to_owned(), "jane".to_owned(), "edoe".to_owned()];
        assert!(is_concatenation("janedoe", &pieces));
        assert!(is_concatenation("janejan", &pieces));
        assert!(!is_concatenation("janed", &pieces));
        assert!(!is_concatenation("", &pieces));
        assert!(is_concatenation("ёжёж", &["ёж".to_owned()]));
    }

    #[test]
    fn pwd_03_no_text_has_more_readings_than_zxcvbn_can_afford() {
        let fuse: String = "4@8({[<3691!|17|0$5+7%2".chars().cycle().take(64).collect();
        let defused = defuse(&fuse);
        let readings: usize = RIVALS
            .iter()
            .map(|group| group.chars().filter(|c| defused.contains(*c)).count().max(1))
            .product();
        assert!(readings <= 8, "{readings}");
        assert_eq!(defuse("p4$$w0rd!").as_str(), "p4$$w0rd!");
    }

    #[test]
    fn only_the_head_of_a_long_password_is_judged() {
        let mixed: String = "vjmzk wqtpl xhbrd ngcsy ".chars().cycle().take(JUDGED).collect();
        assert_eq!(reason(&mixed), None);
        assert_eq!(reason(&format!("{mixed}{}", "a".repeat(192))), None);
        let weak_head = format!("{}{mixed}", "a".repeat(JUDGED));
        assert_eq!(reason(&weak_head), Some(BlockReason::Repeat));
    }
}
