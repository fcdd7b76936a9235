//! Countries.

use super::IdentifierError;

const UNKNOWN: IdentifierError = IdentifierError::new(
    "invalid_country",
    "A country is one of the two-letter codes of ISO 3166-1, such as DE.",
);

/// The officially assigned alpha-2 codes of ISO 3166-1, sorted.
const ASSIGNED: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A country, by its two-letter code (ISO 3166-1 alpha-2) in upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Country(&'static str);

impl Country {
    /// Reads a code, in any case.
    ///
    /// # Errors
    ///
    /// `invalid_country` for anything but an assigned code.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        ASSIGNED.split(' ').find(|code| code.eq_ignore_ascii_case(text)).map(Self).ok_or(UNKNOWN)
    }

    /// The code in upper case.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_holds_249_sorted_pairs_of_capitals() {
        let codes: Vec<_> = ASSIGNED.split(' ').collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.is_sorted_by(|a, b| a < b));
        assert!(
            codes.iter().all(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
        );
    }

    #[test]
    fn a_country_is_an_assigned_code_in_any_case() {
        for text in ["DE", "de", "dE"] {
            assert_eq!(Country::parse(text).unwrap().as_str(), "DE");
        }
        for text in ["", "D", "DEU", "XX", "EU", "UK", "D ", " DE", "ＤＥ", "DE US", "276"] {
            assert_eq!(Country::parse(text).unwrap_err().code(), "invalid_country", "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = Country::parse(&text);
        }
    }
}
