//! JWT-05: bytes that are almost a token.

use super::{claims, encode, header, key, payload, token, verify};
use crate::{Algorithm, MAX_TOKEN_LENGTH, TokenError};

#[test]
fn jwt_05_a_token_has_three_parts_and_nothing_around_them() {
    let key = key(Algorithm::EdDsa);
    let token = key.sign(&claims()).unwrap();
    let token = token.expose();
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("three parts") };
    for garbage in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        head.into(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{head}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{head}.{body}..{signature}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{head}. {body}.{signature}"),
        format!("Bearer {token}"),
        format!("\"{token}\""),
        format!("{token},{token}"),
        format!("\u{feff}{token}"),
        format!(r#"{{"protected":"{head}","payload":"{body}","signature":"{signature}"}}"#),
    ] {
        assert_eq!(verify(&key, &garbage), Err(TokenError::Malformed), "{garbage:?}");
    }
}

#[test]
fn jwt_05_base64url_has_one_spelling() {
    let key = key(Algorithm::EdDsa);
    let token = key.sign(&claims()).unwrap();
    let token = token.expose();
    let parts: Vec<&str> = token.split('.').collect();
    for index in 0..3 {
        for change in [
            |part: &str| format!("{part}="),
            |part: &str| format!("{part}=="),
            |part: &str| format!("{part}A"),
            |part: &str| format!("{part}\r\n"),
            |part: &str| format!("+{}", &part[1..]),
            |part: &str| format!("/{}", &part[1..]),
        ] {
            let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            changed[index] = change(parts[index]);
            let refusal = verify(&key, &changed.join("."));
            assert!(refusal.is_err(), "part {index}: {}", changed[index]);
        }
    }
    // 64 bytes of signature leave four unused bits; a token with any of them set has the same signature.
    let last = token.chars().last().unwrap();
    assert!("AQgw".contains(last));
    for bits in 1..16 {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = ALPHABET.iter().position(|letter| char::from(*letter) == last).unwrap();
        let altered = format!("{}{}", &token[..token.len() - 1], char::from(ALPHABET[value + bits]));
        assert_eq!(verify(&key, &altered), Err(TokenError::Malformed), "{bits}");
    }
}

#[test]
fn jwt_05_the_header_is_one_object_without_repetition() {
    let key = key(Algorithm::EdDsa);
    let kid = key.kid();
    let good = header(&key, "");
    for bad in [
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"none","typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"at+jwt","\u0061lg":"none","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"at+jwt","Alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"["at+jwt","EdDSA","{kid}"]"#),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("\u{feff}{good}"),
        good[..good.len() - 1].to_owned(),
        "{}".into(),
        "null".into(),
        "\"at+jwt\"".into(),
        "x".into(),
    ] {
        assert_eq!(verify(&key, &token(&key, &bad, payload(&[]))), Err(TokenError::Header), "{bad}");
    }
    assert_eq!(verify(&key, &token(&key, b"{\"typ\":\"\xff\"}", payload(&[]))), Err(TokenError::Header));
}

#[test]
fn jwt_05_the_claims_are_one_object_without_repetition() {
    let key = key(Algorithm::EdDsa);
    let good = payload(&[]);
    let inside = &good[..good.len() - 1];
    for bad in [
        format!(r#"{inside},"sub":"u-2"}}"#),
        format!(r#"{inside},"exp":9999999999}}"#),
        format!(r#"{inside},"\u0065xp":9999999999}}"#),
        format!(r#"{inside},"other":1,"other":1}}"#),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good},"),
        inside.to_owned(),
        "{}".into(),
        "null".into(),
        "[]".into(),
    ] {
        assert_eq!(verify(&key, &token(&key, header(&key, ""), &bad)), Err(TokenError::Claims), "{bad}");
    }
    let values: Vec<String> = ["iss", "sub", "aud"].iter().map(|name| format!("{name:?}")).collect();
    let array = format!("[{},9999999999,1,\"j\",\"c\",\"s\",\"\",[],0]", values.join(","));
    assert_eq!(verify(&key, &token(&key, header(&key, ""), array)), Err(TokenError::Claims));
    let deep = format!(r#"{inside},"deep":{}{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
    assert_eq!(verify(&key, &token(&key, header(&key, ""), deep)), Ok(claims()));
    let latin_1 = [inside.as_bytes(), b",\"n\":\"\xe9\"}"].concat();
    assert_eq!(verify(&key, &token(&key, header(&key, ""), latin_1)), Err(TokenError::Claims));
}

#[test]
fn jwt_05_length_is_checked_before_anything_else() {
    let key = key(Algorithm::EdDsa);
    let filled = |filler: usize| {
        token(&key, header(&key, ""), payload(&[("filler", &format!("\"{}\"", "x".repeat(filler)))]))
    };
    let longest =
        (0..MAX_TOKEN_LENGTH).rev().map(filled).find(|token| token.len() <= MAX_TOKEN_LENGTH).unwrap();
    assert!(longest.len() > MAX_TOKEN_LENGTH - 3);
    assert_eq!(verify(&key, &longest), Ok(claims()));
    assert_eq!(verify(&key, &format!("{longest}AAA")), Err(TokenError::TooLong));
    assert_eq!(verify(&key, &"a".repeat(1 << 20)), Err(TokenError::TooLong));
    assert_eq!(verify(&key, &".".repeat(MAX_TOKEN_LENGTH)), Err(TokenError::Malformed));
    assert_eq!(verify(&key, &encode("x".repeat(4_000))), Err(TokenError::Malformed));
}
