//! Conditions of requests on what is there: `If-Match`, `If-None-Match` and `If-Range` (RFC 9110, section 13).
//!
//! Files are told apart by their ETags alone: conditions on dates do not hold, as no date of a file is ever given out.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE};

/// What the conditions of a request make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is carried out.
    GoOn,
    /// `If-None-Match` names what is there: who reads has it, who writes does not want it replaced.
    IsThere,
    /// `If-Match` names something else.
    Differs,
}

/// The conditions of a request.
#[derive(Clone, Copy)]
pub(super) struct Conditions<'a>(pub(super) &'a HeaderMap);

impl Conditions<'_> {
    /// What they make of it, where `there` is the ETag of what is there.
    pub(super) fn judge(self, there: Option<&str>) -> Verdict {
        if self.has(IF_MATCH) && !self.names(IF_MATCH, there, |tag| tag) {
            return Verdict::Differs;
        }
        // A weak ETag is as good here.
        if self.names(IF_NONE_MATCH, there, |tag| tag.trim_start_matches("W/")) {
            return Verdict::IsThere;
        }
        Verdict::GoOn
    }

    /// Whether what is there matters.
    pub(super) fn are_there(self) -> bool {
        self.has(IF_MATCH) || self.has(IF_NONE_MATCH)
    }

    /// Whether nothing may be there.
    pub(super) fn only_new(self) -> bool {
        self.names(IF_NONE_MATCH, Some("*"), |_| "")
    }

    /// Whether a part of what has the ETag `there` may be sent: to who has a part of something else, it is of no use.
    pub(super) fn part_holds(self, there: &str) -> bool {
        let named = self.0.get(IF_RANGE);
        named.is_none_or(|named| named.as_bytes() == there.as_bytes())
    }

    fn has(self, name: HeaderName) -> bool {
        self.0.contains_key(name)
    }

    /// Whether a list of ETags, or `*`, names `there`; each is read by `tag`. None of ours has a comma in it.
    fn names(self, name: HeaderName, there: Option<&str>, tag: impl Fn(&str) -> &str) -> bool {
        let lists = self
            .0
            .get_all(name)
            .into_iter()
            .filter_map(|list| list.to_str().ok());
        let mut named = lists.flat_map(|list| list.split(',')).map(str::trim);
        there.is_some_and(|there| named.any(|named| named == "*" || tag(named) == there))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "\"1-2-3\"";

    fn headers(of: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = of
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn only_what_was_seen_is_replaced() {
        let judge = |value, there| Conditions(&headers(&[(IF_MATCH, value)])).judge(there);
        for same in [OURS, "\"a\", \"1-2-3\"", "*"] {
            assert_eq!(judge(same, Some(OURS)), Verdict::GoOn, "{same}");
            assert_eq!(judge(same, None), Verdict::Differs, "{same}: there is nothing");
        }
        for other in ["\"1-2-4\"", "W/\"1-2-3\"", "1-2-3", ""] {
            assert_eq!(judge(other, Some(OURS)), Verdict::Differs, "{other}");
        }
    }

    #[test]
    fn what_is_known_is_told_apart() {
        let judge = |value, there| Conditions(&headers(&[(IF_NONE_MATCH, value)])).judge(there);
        for same in [OURS, "W/\"1-2-3\"", "\"a\",\"1-2-3\"", "*"] {
            assert_eq!(judge(same, Some(OURS)), Verdict::IsThere, "{same}");
            assert_eq!(judge(same, None), Verdict::GoOn, "{same}: there is nothing");
        }
        assert_eq!(judge("\"1-2-4\"", Some(OURS)), Verdict::GoOn);
        assert_eq!(Conditions(&HeaderMap::new()).judge(Some(OURS)), Verdict::GoOn);
        let new = |value| Conditions(&headers(&[(IF_NONE_MATCH, value)])).only_new();
        assert!(new("*") && !new(OURS) && !new("\"*\""));
    }

    #[test]
    fn a_part_is_of_what_the_rest_is_of() {
        let holds = |value| Conditions(&headers(&[(IF_RANGE, value)])).part_holds(OURS);
        assert!(holds(OURS));
        assert!(Conditions(&HeaderMap::new()).part_holds(OURS));
        for other in ["\"1-2-4\"", "W/\"1-2-3\"", "Sun, 06 Nov 1994 08:49:37 GMT", "*"] {
            assert!(!holds(other), "{other}");
        }
    }
}
