//! Time-based one-time codes (RFC 6238). Pure: no database, no clock, no HTTP.

use gatepost_kernel::{Random, Secret, Timestamp};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use totp_rs::{Builder, Totp};

/// How long a code is the current one, in seconds. With SHA-1 and six digits it is what every authenticator knows;
/// several silently ignore other parameters.
const STEP: i64 = 30;
/// 160 bits (RFC 4226 section 4, R6).
const LENGTH: usize = 20;
/// The name that authenticators show beside the account.
pub(super) const ISSUER: &str = "Gatepost";
/// About how wide the picture is, in pixels of CSS.
const PICTURE: u32 = 240;

/// What an authenticator and this server share.
#[derive(Clone)]
pub(super) struct TotpSecret(Secret<[u8; LENGTH]>);

impl TotpSecret {
    /// A new one.
    pub(super) fn draw(random: &Random) -> Self {
        Self(Secret::new(random.bytes()))
    }

    /// The one with these bytes, as they were sealed.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Secret::new(bytes.try_into().ok()?)))
    }

    /// The bytes, to be sealed.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// The text to type into an authenticator that cannot read the picture: base32 (RFC 4648 section 6).
    pub(super) fn base32(&self) -> Secret<String> {
        Secret::new(self.codes("").secret().to_base32())
    }

    /// The Key URI that authenticators read.
    ///
    /// # Errors
    /// When the account has no name.
    pub(super) fn uri(&self, account: &str) -> Result<Secret<String>, totp_rs::TotpError> {
        self.codes(account).to_url().map(Secret::new)
    }

    /// The step whose code this is: one of the steps around `now` that is later than every step used before, so that no
    /// code is good twice (RFC 6238 section 5.2). Every step is looked at, whichever matches.
    pub(super) fn step_of(&self, code: &TotpCode, now: Timestamp, window: u8, last_used: i64) -> Option<i64> {
        let codes = self.codes("");
        let current = now.as_secs().div_euclid(STEP);
        let around = current - i64::from(window)..=current + i64::from(window);
        let matches = |step: &i64| {
            let time = u64::try_from(step.saturating_mul(STEP)).ok();
            time.is_some_and(|time| codes.check(code.0.expose(), time).is_some())
        };
        around.filter(matches).filter(|step| *step > last_used).max()
    }

    fn codes(&self, account: &str) -> Totp {
        // The separator of the label may not stand in a name.
        let account = account.replace(':', "");
        Builder::new()
            .with_secret(self.0.expose().to_vec())
            .with_skew(0)
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build_noncompliant()
    }
}

/// Six digits, as typed.
pub(super) struct TotpCode(Secret<String>);

impl TotpCode {
    /// Reads a code. People type spaces where their authenticator shows them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > super::CODE_LENGTH {
            return None;
        }
        let digits: String = text.chars().filter(|letter| *letter != ' ').collect();
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| Self(Secret::new(digits)))
    }
}

/// A text as a picture that stands in a page by itself: an `svg` element.
///
/// # Errors
/// When the text is too long for any picture, which a URI of ours is not.
pub(super) fn picture(text: &str) -> Result<Secret<String>, qrcode::types::QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let document = Secret::new(
        code.render::<svg::Color<'_>>().min_dimensions(PICTURE, PICTURE).quiet_zone(true).build(),
    );
    let element = document.expose().find("<svg").unwrap_or_default();
    Ok(Secret::new(document.expose()[element..].to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEVER: i64 = i64::MIN;

    /// RFC 6238 appendix B: the secret of its vectors for SHA-1.
    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn code(text: &str) -> TotpCode {
        TotpCode::parse(text).unwrap()
    }

    #[test]
    fn mfa_03_the_vectors_of_rfc_6238() {
        // The last six of its eight digits.
        for (time, digits) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = secret().step_of(&code(digits), Timestamp::from_secs(time), 0, NEVER);
            assert_eq!(step, Some(time / 30), "{time}");
        }
    }

    #[test]
    fn mfa_04_a_code_is_good_one_step_around_and_no_further() {
        let at = |steps: i64| Timestamp::from_secs(1_111_111_111 + 30 * steps);
        let code = code("050471");
        let step = 1_111_111_111 / 30;
        for (steps, narrow, wide) in [(-2, None, None), (-1, None, Some(step)), (0, Some(step), Some(step))] {
            assert_eq!(secret().step_of(&code, at(steps), 0, NEVER), narrow, "{steps}");
            assert_eq!(secret().step_of(&code, at(steps), 1, NEVER), wide, "{steps}");
            assert_eq!(secret().step_of(&code, at(-steps), 1, NEVER), wide, "{steps}");
        }
    }

    #[test]
    fn mfa_03_no_step_is_good_twice_also_when_the_clock_goes_back() {
        let step = 1_111_111_111 / 30;
        let judge =
            |last_used| secret().step_of(&code("050471"), Timestamp::from_secs(1_111_111_111), 1, last_used);
        assert_eq!(judge(step - 1), Some(step));
        assert_eq!(judge(step), None);
        assert_eq!(judge(step + 1_000), None);
    }

    #[test]
    fn a_time_before_1970_has_no_codes() {
        assert_eq!(secret().step_of(&code("050471"), Timestamp::from_secs(-1), 1, NEVER), None);
    }

    #[test]
    fn the_uri_names_issuer_and_account_and_nothing_breaks_out_of_it() {
        let uri = secret().uri("ada+x?secret=A&issuer=B#@example.com").unwrap();
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Gatepost:ada%2Bx%3Fsecret%3DA%26issuer%3DB%23%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Gatepost"
        );
        assert_eq!(secret().base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(secret().uri("a:b").unwrap().expose().contains("Gatepost:ab?"));
    }

    #[test]
    fn the_picture_is_one_svg_element() {
        let picture = picture("otpauth://totp/x").unwrap();
        assert!(picture.expose().starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(picture.expose().ends_with("</svg>"));
        assert!(!picture.expose().contains("<script") && !picture.expose().contains("<?xml"));
    }

    /// The picture in black and white, as its rectangles say (`M x y h w v h`): a PBM.
    fn raster(svg: &str) -> String {
        let width: usize = svg.split_once("width=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap();
        let mut dots = vec![vec!['0'; width]; width];
        let path = svg.split_once(" d=\"").unwrap().1.split_once('"').unwrap().0;
        for rectangle in path.split('M').skip(1) {
            let numbers: Vec<usize> = rectangle
                .split(|letter: char| !letter.is_ascii_digit())
                .filter(|number| !number.is_empty())
                .map(|number| number.parse().unwrap())
                .collect();
            let [left, top, wide, high] = numbers[..4] else { panic!("{rectangle}") };
            for row in &mut dots[top..top + high] {
                row[left..left + wide].fill('1');
            }
        }
        let rows: Vec<String> = dots.into_iter().map(|row| row.into_iter().collect()).collect();
        format!("P1\n{width} {width}\n{}\n", rows.join("\n"))
    }

    #[test]
    fn a_reader_that_we_did_not_write_reads_the_uri_from_the_picture() {
        let longest = format!("{}@{}.example", "a+b".repeat(21), "d".repeat(180));
        for account in ["ada@example.com", &longest] {
            let uri = secret().uri(account).unwrap();
            let file = tempfile::Builder::new().suffix(".pbm").tempfile().unwrap();
            std::fs::write(file.path(), raster(picture(uri.expose()).unwrap().expose())).unwrap();
            let read = std::process::Command::new("zbarimg")
                .args(["--quiet", "--raw", "--nodbus"])
                .arg(file.path())
                .output();
            let read =
                read.unwrap_or_else(|error| panic!("zbarimg, which `cargo xtask test` installs: {error}"));
            assert_eq!(String::from_utf8_lossy(&read.stdout).trim_end(), uri.expose());
        }
    }

    proptest! {
        #[test]
        fn only_six_digits_and_spaces_are_a_code(text in "\\PC{0,80}") {
            if let Some(code) = TotpCode::parse(&text) {
                prop_assert!(text.chars().all(|letter| letter == ' ' || letter.is_ascii_digit()));
                prop_assert_eq!(code.0.expose().len(), 6);
            }
        }
    }
}
