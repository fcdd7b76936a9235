//! What holds for any token and any text.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{claims, encode, key, verify};
use crate::{Algorithm, KeySet, SigningKey};

static TOKENS: LazyLock<Vec<(SigningKey, String)>> = LazyLock::new(|| {
    Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let key = key(algorithm);
            let token = key.sign(&claims()).unwrap().expose().clone();
            (key, token)
        })
        .collect()
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn jwt_05_no_byte_of_a_token_can_be_changed(
        which in 0..Algorithm::ALL.len(),
        place in any::<prop::sample::Index>(),
        replacement in prop_oneof![0_u8..0x80, prop::sample::select(b"AQgwaz09-_.".to_vec())],
    ) {
        let (key, token) = &TOKENS[which];
        let mut bytes = token.clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != replacement);
        bytes[place] = replacement;
        prop_assert!(verify(key, &String::from_utf8(bytes).unwrap()).is_err());
    }

    #[test]
    fn jwt_05_no_byte_of_a_token_can_be_left_out(
        which in 0..Algorithm::ALL.len(),
        place in any::<prop::sample::Index>(),
    ) {
        let (key, token) = &TOKENS[which];
        let place = place.index(token.len());
        let shorter = format!("{}{}", &token[..place], &token[place + 1..]);
        prop_assert!(verify(key, &shorter).is_err());
    }

    #[test]
    fn jwt_05_arbitrary_text_is_refused_in_peace(text in any::<String>()) {
        prop_assert!(verify(&TOKENS[0].0, &text).is_err());
        prop_assert!(KeySet::from_jwks(&text).is_err());
    }

    #[test]
    fn jwt_05_arbitrary_parts_are_refused_in_peace(
        header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>(),
    ) {
        let text = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        prop_assert!(verify(&TOKENS[0].0, &text).is_err());
    }

    #[test]
    fn jwt_05_arbitrary_signed_payloads_never_panic(payload in "\\{(\"[a-z]{1,3}\":([0-9]{1,25}|\"[a-z]*\"|null|\\[\\]),?){0,8}\\}") {
        let key = &TOKENS[0].0;
        prop_assert!(verify(key, &super::token(key, super::header(key, ""), payload)).is_err());
    }

    #[test]
    fn claims_survive_the_way_there_and_back(
        sub in any::<String>(), scope in any::<String>(), roles in prop::collection::vec(any::<String>(), 0..5),
        epoch in any::<i64>(),
    ) {
        let (key, _) = &TOKENS[0];
        let claims = crate::Claims { sub, scope, roles, epoch, ..claims() };
        prop_assert_eq!(verify(key, key.sign(&claims).unwrap().expose()), Ok(claims));
    }
}
