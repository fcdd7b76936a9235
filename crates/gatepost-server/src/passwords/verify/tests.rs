use gatepost_kernel::Secret;

use super::*;

const PASSWORD: &str = "correct horse battery staple";

/// One hash of each kind of the password above, made by passlib 1.7.4, bcrypt 5, argon2-cffi 25 and Django 5.2.
const FOREIGN: [&str; 14] = [
    "$2b$04$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C",
    "$2a$04$blh3AykN.7nStf9YGnUtguoLnXdIsdBM7bmXONLNRmLje9yd39Ikq",
    "$2y$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
    "$pbkdf2-sha256$1000$c2FsdHlzYWx0eXNhbHR5IQ$HqXEpwTKtacBXE.l9o7y8.4SqDH3kZmDV0O2IJNBNcg",
    "$pbkdf2-sha256$i=1000,l=32$c2FsdHlzYWx0eXNhbHR5IQ$HqXEpwTKtacBXE+l9o7y8+4SqDH3kZmDV0O2IJNBNcg",
    "$pbkdf2-sha512$1000$c2FsdHlzYWx0eXNhbHR5IQ$XYh/DM7GRfR/sjMZLj.nKt1tr6Je49YSm0cmRxd8X4.tc5DTkRwnyC/jq34sBMlHxgQbyFOqZtEmOD8JyDvysQ",
    "$pbkdf2$1000$c2FsdHlzYWx0eXNhbHR5IQ$ONYihIMUN0PoDoC1auSq4FCCb4U",
    "pbkdf2_sha256$1000$saltysalty$Nlqu0Xb7j9OMMy2C2zyeRWRRCnabEFjyRIMFxWaC9LU=",
    "pbkdf2_sha1$1000$saltysalty$z1Q/aHnlkEkggeOJeart9knIi4A=",
    "$scrypt$ln=10,r=8,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
    "scrypt$1024$saltysalty$8$1$tire3+13d4vrNWmu3LRmTBtBpnO8uvdDtN9D4sP5MGQTO/+tdjMsyxWg2F4NczXzYGI/wzteTDKjAHqHK5RixA==",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHlzYWx0eQ$zGz+fkNsXYlOazwv0WpVNWAnMyxe+jg6uX6HvYPvnnE",
    "$argon2i$v=19$m=256,t=2,p=2$c2FsdHlzYWx0eXNhbHR5IQ$sJpyKtVn5bP8DB1FcbbUBWb7mqTwHV8e0t3K0nTGn1A",
    "$argon2d$v=19$m=256,t=2,p=2$c2FsdHlzYWx0eXNhbHR5IQ$OaLZNDbKG8tY1roriJbm3T1ESFOwNczWCp8/dSPFrIA",
];
const FOREIGN_V10: &str =
    "$argon2i$v=16$m=256,t=2,p=1$c2FsdHlzYWx0eXNhbHR5IQ$qNMJJ+ztja6wiyw3CFJYuYayJbquH9DnK62fMhfbJLg";
/// Made by the same argon2-cffi, with the parameters of [`cheap`].
const OWN: &str =
    "$argon2id$v=19$m=256,t=2,p=2$c2FsdHlzYWx0eXNhbHR5IQ$Phn6Eg/xhsocMJ7ropCkOSHwKKFlZdgnNL5y8eXdZKM";
/// bcrypt of the first 72 bytes of forty times `é`.
const LONG_BCRYPT: &str = "$2b$04$Hd9cQm4D11MzvyTcVpZ/5OQZYuLV81kpjtU8KRFGJ8oaxlLTM/LWm";

fn cheap() -> HashParams {
    HashParams::below_the_floor(256, 2, 2).unwrap()
}

fn bench_with(params: HashParams, peppers: Peppers) -> Workbench {
    Workbench::new(params, Arc::new(peppers), Random::from_fn(|bytes| bytes.fill(7)), Arc::default())
}

fn bench() -> Workbench {
    bench_with(cheap(), Peppers::default())
}

fn password(text: &str) -> Password {
    Password::parse(Secret::new(text.to_owned())).unwrap()
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::parse(text).unwrap()
}

fn pepper(id: &str, key: u8) -> Pepper {
    Pepper::new(id.parse().unwrap(), Secret::new([key; 32]))
}

#[test]
fn the_library_computes_the_vector_of_rfc_9106_section_5_3() {
    let params = argon2::ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let mut tag = [0; 32];
    Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
        .unwrap()
        .hash_password_into_with_memory(&[1; 32], &[2; 16], &mut tag, vec![Block::new(); 32])
        .unwrap();
    let expected = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0,
        0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
    ];
    assert_eq!(tag, expected);
}

#[test]
fn pwd_02_hashes_of_other_systems_verify_and_are_replaced() {
    let mut bench = bench();
    for text in FOREIGN.into_iter().chain([FOREIGN_V10]) {
        let hash = stored(text);
        assert!(
            !bench.verify(&password("correct horse battery stapl"), Some(&hash)).unwrap().matched,
            "{text}"
        );
        let verdict = bench.verify(&password(PASSWORD), Some(&hash)).unwrap();
        assert!(verdict.matched, "{text}");
        let better = verdict.rehash.unwrap();
        assert!(better.expose().starts_with("$argon2id$v=19$m=256,t=2,p=2$"), "{text}");
        let again = bench.verify(&password(PASSWORD), Some(&better)).unwrap();
        assert!(again.matched && again.rehash.is_none(), "{text}");
    }
}

#[test]
fn an_own_hash_verifies_and_stays() {
    let verdict = bench().verify(&password(PASSWORD), Some(&stored(OWN))).unwrap();
    assert!(verdict.matched && verdict.rehash.is_none());
    // Each byte of the tag counts, the last as well as the first.
    for changed in [OWN.replace("$Phn6", "$Qhn6"), OWN.replace("XdZKM", "XdZKA")] {
        assert!(!bench().verify(&password(PASSWORD), Some(&stored(&changed))).unwrap().matched, "{changed}");
    }
    let salty = bench().hash(&password(PASSWORD)).unwrap();
    assert!(salty.expose().starts_with("$argon2id$v=19$m=256,t=2,p=2$BwcHBwcHBwcHBwcHBwcHBw$"));
}

#[test]
fn pwd_02_bcrypt_is_cut_at_72_bytes_until_the_first_login() {
    let mut bench = bench();
    let (typed, twin) = ("\u{e9}".repeat(40), "\u{e9}".repeat(36));
    // The old system could not tell these two apart, and neither can we as long as its hash is all there is.
    assert!(bench.verify(&password(&twin), Some(&stored(LONG_BCRYPT))).unwrap().matched);
    let verdict = bench.verify(&password(&typed), Some(&stored(LONG_BCRYPT))).unwrap();
    let better = verdict.rehash.unwrap();
    assert!(bench.verify(&password(&typed), Some(&better)).unwrap().matched);
    assert!(!bench.verify(&password(&twin), Some(&better)).unwrap().matched);
}

#[test]
fn pwd_02_passwords_equal_in_the_first_72_bytes_are_different() {
    let mut bench = bench();
    let head = "x".repeat(72);
    let hash = bench.hash(&password(&format!("{head}1"))).unwrap();
    assert!(bench.verify(&password(&format!("{head}1")), Some(&hash)).unwrap().matched);
    assert!(!bench.verify(&password(&format!("{head}2")), Some(&hash)).unwrap().matched);
    assert!(!bench.verify(&password(&head), Some(&hash)).unwrap().matched);
}

#[test]
fn pwd_04_spaces_nul_and_case_are_part_of_the_password_and_the_normal_form_is_not() {
    let mut bench = bench();
    let hash = bench.hash(&password("caf\u{e9}\0 ")).unwrap();
    assert!(bench.verify(&password("cafe\u{301}\0 "), Some(&hash)).unwrap().matched);
    for other in ["caf\u{e9}", "caf\u{e9}\0", "caf\u{e9} ", "caf\u{e9}\0 x", "CAF\u{c9}\0 ", " caf\u{e9}\0 "]
    {
        assert!(!bench.verify(&password(other), Some(&hash)).unwrap().matched, "{other:?}");
    }
}

#[test]
fn pwd_04_no_password_with_a_nul_matches_bcrypt() {
    // bcrypt's key schedule makes these equal to the password without the NUL.
    let mut bench = bench();
    let key = "ab";
    let salt = [9; 16];
    assert_eq!(bcrypt_tag(4, salt, b"ab"), bcrypt_tag(4, salt, b"ab\0ab"));
    let hash = PasswordHash::parse(&bcrypt::hash_with_salt(key, 4, salt).unwrap().to_string()).unwrap();
    assert!(bench.verify(&password("ab"), Some(&hash)).unwrap().matched);
    assert!(!bench.verify(&password("ab\0ab"), Some(&hash)).unwrap().matched);
}

#[test]
fn the_pepper_is_needed_and_can_be_replaced() {
    let (first, second) = (pepper("k1", 1), pepper("k2", 2));
    let mut before = bench_with(cheap(), Peppers::new(Some(first.clone()), vec![]));
    let hash = before.hash(&password(PASSWORD)).unwrap();
    assert!(hash.expose().contains(",keyid=k1$"));
    assert!(before.verify(&password(PASSWORD), Some(&hash)).unwrap().rehash.is_none());

    let mut after = bench_with(cheap(), Peppers::new(Some(second), vec![first]));
    let moved = after.verify(&password(PASSWORD), Some(&hash)).unwrap().rehash.unwrap();
    assert!(moved.expose().contains(",keyid=k2$"));
    assert!(after.verify(&password(PASSWORD), Some(&moved)).unwrap().matched);

    // The same name with another key is another pepper.
    let mut wrong = bench_with(cheap(), Peppers::new(Some(pepper("k1", 3)), vec![]));
    assert!(!wrong.verify(&password(PASSWORD), Some(&hash)).unwrap().matched);
}

#[test]
fn a_hash_without_a_pepper_gets_one_at_the_next_login() {
    let mut bench = bench_with(cheap(), Peppers::new(Some(pepper("k1", 1)), vec![]));
    let verdict = bench.verify(&password(PASSWORD), Some(&stored(OWN))).unwrap();
    assert!(verdict.rehash.unwrap().expose().contains(",keyid=k1$"));
}

#[test]
fn a_lost_pepper_is_an_error_after_the_work() {
    let lost = PasswordHash::own(cheap(), Some(&pepper("gone", 1)), [1; 16], [2; 32]);
    let mut bench = bench();
    let error = bench.verify(&password(PASSWORD), Some(&lost)).unwrap_err();
    assert_eq!(error, HashError::UnknownPepper("gone".parse().unwrap()));
    assert_eq!(bench.tally.argon2.load(Ordering::Relaxed), 1);
    // In the history it is just a password that nobody can prove.
    assert!(bench.matches_any(&password(PASSWORD), &[lost, stored(OWN)]).unwrap());
}

#[test]
fn the_history_is_searched_to_the_end() {
    let mut bench = bench();
    let history: Vec<_> = FOREIGN.into_iter().skip(2).take(3).chain([OWN]).map(stored).collect();
    assert!(bench.matches_any(&password(PASSWORD), &history).unwrap());
    assert!(!bench.matches_any(&password("another password"), &history).unwrap());
    assert!(!bench.matches_any(&password(PASSWORD), &[]).unwrap());
}

#[test]
fn memory_is_kept_between_jobs_and_given_back_when_asked() {
    let mut bench = bench();
    assert!(!bench.holds_memory());
    bench.hash(&password(PASSWORD)).unwrap();
    let place = bench.memory.as_ptr();
    bench.hash(&password(PASSWORD)).unwrap();
    assert!(bench.holds_memory());
    assert_eq!(bench.memory.as_ptr(), place);
    bench.release_memory();
    assert!(!bench.holds_memory());
}

#[test]
fn the_memory_of_a_dearer_foreign_hash_is_not_kept() {
    let mut bench = bench();
    bench.verify(&password(PASSWORD), Some(&stored(FOREIGN[11]))).unwrap();
    assert!(bench.memory.len() <= 256);
}

#[test]
fn pwd_06_a_cheap_hash_is_topped_up_to_the_usual_time() {
    let mut bench = bench_with(HashParams::default(), Peppers::default());
    // As measured on a machine where the usual hash takes 20 ms.
    bench.tally.learn(Duration::from_millis(20));
    let rest = |millis| bench.rest(Duration::from_millis(millis)).map(|rest| rest.work());
    let whole = HashParams::default().work();
    assert_eq!(rest(0), Some(whole));
    assert_eq!(rest(5), Some(whole / 4 * 3));
    assert_eq!(rest(20), None);
    assert_eq!(rest(1_000), None);
    bench.tally = Arc::default();
    assert_eq!(bench.rest(Duration::from_millis(5)), Some(HashParams::default()), "unmeasured: all of it");
}

#[test]
fn the_usual_time_follows_slowly() {
    let tally = Tally::default();
    assert_eq!(tally.typical(), None);
    tally.learn(Duration::from_millis(16));
    assert_eq!(tally.typical(), Some(Duration::from_millis(16)));
    tally.learn(Duration::from_millis(96));
    assert_eq!(tally.typical(), Some(Duration::from_millis(26)));
}
