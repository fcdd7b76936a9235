//! Everything that is wrong with a request, at once.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use crate::Problem;

/// One field that is not valid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: an RFC 6901 pointer into the body. For a query it points into the object of its parameters.
    #[schema(example = "/email")]
    pub pointer: String,
    /// What is wrong, for programs: `unknown_field`, `required`, `invalid_email`, …
    #[schema(value_type = String, example = "invalid_email")]
    pub code: &'static str,
    /// What is expected, for people. Never the value that came: it may be a password.
    #[schema(value_type = String, example = "This is not a mail address.")]
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// An entry for the field at `pointer`.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// An error of a type that parses a field: it knows its code and how to say what is expected.
pub trait Invalid {
    /// The stable slug for programs, such as `password_too_short`.
    fn code(&self) -> &'static str;
    /// One sentence for people. It must not repeat the value.
    fn detail(&self) -> Cow<'static, str>;
}

/// Collects what is wrong, so that a form is not fixed one field at a time.
///
/// ```
/// # use std::borrow::Cow;
/// use gatepost_problem::{Check, Invalid, Problem};
///
/// struct TooShort;
/// impl Invalid for TooShort {
///     fn code(&self) -> &'static str { "too_short" }
///     fn detail(&self) -> Cow<'static, str> { "Use at least 3 characters.".into() }
/// }
/// fn name(text: &str) -> Result<String, TooShort> {
///     if text.len() < 3 { Err(TooShort) } else { Ok(text.to_owned()) }
/// }
///
/// fn handler(first: &str, nick: Option<&str>) -> Result<String, Problem> {
///     let mut check = Check::new();
///     let first = check.field("/first", name(first));
///     let nick = check.optional("/nick", nick.map(name));
///     check.require(first != Some("root".into()), "/first", "reserved", "This name is reserved.");
///     let (first, nick) = check.values((first, nick))?;
///     Ok(nick.unwrap_or(first))
/// }
///
/// assert_eq!(handler("Ada", None).unwrap(), "Ada");
/// assert_eq!(handler("A", Some("B")).unwrap_err().errors().len(), 2);
/// ```
#[derive(Default)]
#[must_use = "what was collected is lost unless it is finished"]
pub struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    /// Nothing is wrong yet.
    pub const fn new() -> Self {
        Self { errors: Vec::new() }
    }

    /// Keeps the value, or notes what is wrong with it.
    pub fn field<T, E: Invalid>(&mut self, pointer: impl Into<String>, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(pointer, error.code(), error.detail());
                None
            }
        }
    }

    /// The same for a field that may be absent: absent is `Some(None)`.
    pub fn optional<T, E: Invalid>(
        &mut self,
        pointer: impl Into<String>,
        result: Option<Result<T, E>>,
    ) -> Option<Option<T>> {
        match result {
            Some(result) => self.field(pointer, result).map(Some),
            None => Some(None),
        }
    }

    /// Notes a problem unless `holds`.
    pub fn require(
        &mut self,
        holds: bool,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) {
        if !holds {
            self.refuse(pointer, code, detail);
        }
    }

    /// Notes a problem.
    pub fn refuse(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.errors.push(FieldError::new(pointer, code, detail));
    }

    /// Whether nothing is wrong so far.
    pub const fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// # Errors
    /// `validation_failed` with everything that was noted.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::validation(self.errors)) }
    }

    /// The values of the fields, which [`Check::field`] and [`Check::optional`] handed out one by one.
    ///
    /// # Errors
    /// `validation_failed` with everything that was noted. `internal` if a value is absent although nothing was
    /// noted, which only a handler that made up its own `None` can bring about.
    pub fn values<F: Fields>(self, fields: F) -> Result<F::Values, Problem> {
        self.finish()?;
        fields.values().ok_or_else(|| Problem::internal("a field vanished without a complaint"))
    }
}

/// Tuples of what [`Check::field`] returns.
pub trait Fields {
    /// The tuple of the values.
    type Values;
    /// All values, if none is absent.
    fn values(self) -> Option<Self::Values>;
}

macro_rules! fields {
    ($($name:ident)+) => {
        impl<$($name),+> Fields for ($(Option<$name>,)+) {
            type Values = ($($name,)+);
            fn values(self) -> Option<Self::Values> {
                #[expect(non_snake_case, reason = "the type parameters name the parts of the tuple")]
                let ($($name,)+) = self;
                Some(($($name?,)+))
            }
        }
    };
}

fields!(A);
fields!(A B);
fields!(A B C);
fields!(A B C D);
fields!(A B C D E);
fields!(A B C D E F);
fields!(A B C D E F G);
fields!(A B C D E F G H);
fields!(A B C D E F G H I);
fields!(A B C D E F G H I J);
fields!(A B C D E F G H I J K);
fields!(A B C D E F G H I J K L);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProblemType;

    struct Bad;
    impl Invalid for Bad {
        fn code(&self) -> &'static str {
            "bad"
        }
        fn detail(&self) -> Cow<'static, str> {
            "Do better.".into()
        }
    }

    #[test]
    fn all_bad_fields_are_reported_in_order() {
        let mut check = Check::new();
        let one = check.field("/one", Err::<u8, _>(Bad));
        let two = check.field("/two", Ok::<_, Bad>(2));
        let three = check.optional("/three", Some(Err::<u8, _>(Bad)));
        check.require(false, "/four", "worse", "No.");
        let problem = check.values((one, two, three)).unwrap_err();
        assert_eq!(problem.kind(), ProblemType::ValidationFailed);
        let found: Vec<_> = problem.errors().iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(found, [("/one", "bad"), ("/three", "bad"), ("/four", "worse")]);
    }

    #[test]
    fn good_fields_come_back_as_values() {
        let mut check = Check::new();
        let one = check.field("/one", Ok::<_, Bad>(1));
        let absent = check.optional("/two", None::<Result<u8, Bad>>);
        assert!(check.is_ok());
        assert_eq!(check.values((one, absent)).unwrap(), (1, None));
    }

    #[test]
    fn a_complaint_outweighs_complete_values() {
        let mut check = Check::new();
        check.refuse("", "bad", "Everything is there and still wrong.");
        assert!(check.values((Some(1),)).is_err());
    }

    #[test]
    fn a_made_up_absence_is_our_fault() {
        assert_eq!(Check::new().values((None::<u8>,)).unwrap_err().kind(), ProblemType::Internal);
    }
}
