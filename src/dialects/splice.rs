//! Changes fields of a JSON object in its bytes: key order, unknown fields, numbers and white
//! space of everything else survive, and with them a provider's prompt cache.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{
    ModelPlace,
    scan::{Members, scan},
};

/// Pieces of a body to leave out, in order and apart from each other.
pub type Cuts = SmallVec<[Range<usize>; 2]>;

/// The cuts that remove the members for which `unwanted` holds, commas included.
pub fn removals(members: &Members<'_>, unwanted: impl Fn(&str) -> bool) -> Cuts {
    let all = members.all();
    let mut cuts = Cuts::new();
    if !all.iter().any(|member| unwanted(&member.name)) {
        return cuts;
    }
    let last_kept = all.iter().rposition(|member| !unwanted(&member.name));
    // Before the last kept member a removed one goes up to its successor; behind it, everything
    // goes from that member's end, or the list would end in a comma.
    for pair in all.windows(2).take(last_kept.unwrap_or(0)) {
        if let [member, next] = pair
            && unwanted(&member.name)
        {
            cuts.push(member.start..next.start);
        }
    }
    let tail_start = match last_kept.and_then(|index| all.get(index)) {
        Some(kept) => kept.value.end,
        None => all.first().map_or(0, |member| member.start),
    };
    let tail_end = all.last().map_or(0, |member| member.value.end);
    if tail_start < tail_end {
        cuts.push(tail_start..tail_end);
    }
    cuts
}

/// `body` without `cuts` and, where `model` is given, with that name in its place. Nothing to do
/// costs nothing: the same bytes come back.
pub fn splice(body: &Bytes, cuts: &[Range<usize>], model: Option<(&ModelPlace, &str)>) -> Bytes {
    let mut edits: SmallVec<[(Range<usize>, Vec<u8>); 3]> =
        cuts.iter().map(|cut| (cut.clone(), Vec::new())).collect();
    if let Some((place, name)) = model {
        let quoted = serde_json::to_vec(name).unwrap_or_default();
        match place {
            ModelPlace::Elsewhere => {}
            ModelPlace::Value(range) => edits.push((range.clone(), quoted)),
            ModelPlace::Missing { at, has_others } => {
                let comma: &[u8] = if *has_others { b"," } else { b"" };
                edits.push((*at..*at, [b"\"model\":", &*quoted, comma].concat()));
            }
        }
    }
    if edits.is_empty() {
        return body.clone();
    }
    edits.sort_unstable_by_key(|(range, _)| range.start);
    let added: usize = edits.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = BytesMut::with_capacity(body.len() + added);
    let mut from = 0;
    for (range, bytes) in &edits {
        out.put_slice(body.get(from..range.start).unwrap_or_default());
        out.put_slice(bytes);
        from = range.end;
    }
    out.put_slice(body.get(from..).unwrap_or_default());
    out.freeze()
}

/// `body` as that of a request for a whole answer, for dialects that ask for a stream in the body.
pub fn unstreamed(body: &Bytes) -> Bytes {
    let Ok(members) = scan(body) else {
        return body.clone();
    };
    let is_about_it = |name: &str| matches!(name, "stream" | "stream_options");
    let has_others = members
        .all()
        .iter()
        .any(|member| !is_about_it(&member.name));
    let short = splice(body, &removals(&members, is_about_it), None);
    // Nothing is cut before the first member.
    let (start, rest) = short.split_at(members.inside().min(short.len()));
    let comma: &[u8] = if has_others { b"," } else { b"" };
    Bytes::from([start, b"\"stream\":false", comma, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn without(body: &str, names: &[&str]) -> String {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let members = scan(&bytes).unwrap();
        let cuts = removals(&members, |name| names.contains(&name));
        String::from_utf8(splice(&bytes, &cuts, None).to_vec()).unwrap()
    }

    #[test]
    fn members_go_with_their_commas() {
        let body = r#"{"a": 1, "b": 2 ,"c":3}"#;
        assert_eq!(without(body, &["a"]), r#"{"b": 2 ,"c":3}"#);
        assert_eq!(without(body, &["b"]), r#"{"a": 1, "c":3}"#);
        assert_eq!(without(body, &["c"]), r#"{"a": 1, "b": 2}"#);
        assert_eq!(without(body, &["b", "c"]), r#"{"a": 1}"#);
        assert_eq!(without(body, &["a", "c"]), r#"{"b": 2}"#);
        assert_eq!(without(body, &["a", "b", "c"]), "{}");
    }

    #[test]
    fn everything_but_the_model_stays_as_it_is() {
        let body = Bytes::from_static(
            b"{ \"z\":1.0,\"model\" : \"a\\u0062\", \"big\":12345678901234567890123 }",
        );
        let range = scan(&body).unwrap().get("model").unwrap().value.clone();
        let out = splice(&body, &[], Some((&ModelPlace::Value(range), "o\"1")));
        assert_eq!(
            out,
            &b"{ \"z\":1.0,\"model\" : \"o\\\"1\", \"big\":12345678901234567890123 }"[..]
        );
    }

    #[test]
    fn a_model_is_put_in_where_there_is_none() {
        for (body, wanted) in [
            ("{}", r#"{"model":"m"}"#),
            (r#"{ "a":1}"#, r#"{"model":"m", "a":1}"#),
        ] {
            let bytes = Bytes::copy_from_slice(body.as_bytes());
            let members = scan(&bytes).unwrap();
            let place = ModelPlace::Missing {
                at: members.inside(),
                has_others: !members.all().is_empty(),
            };
            assert_eq!(splice(&bytes, &[], Some((&place, "m"))), wanted);
        }
    }

    #[test]
    fn a_whole_answer_can_be_asked_for_in_the_words_of_any_body() {
        for (body, wanted) in [
            ("{ }", r#"{"stream":false }"#),
            (r#"{"stream":true}"#, r#"{"stream":false}"#),
            (r#"{"a":1, "stream": true}"#, r#"{"stream":false,"a":1}"#),
            (
                r#" {"stream":true,"a":[],"stream_options":{"include_usage":true},"b":""}"#,
                r#" {"stream":false,"a":[],"b":""}"#,
            ),
        ] {
            assert_eq!(unstreamed(&Bytes::from_static(body.as_bytes())), wanted);
        }
    }

    #[test]
    fn nothing_to_do_costs_no_copy() {
        let body = Bytes::from_static(br#"{"model":"m"}"#);
        assert_eq!(splice(&body, &[], None).as_ptr(), body.as_ptr());
    }

    proptest! {
        #[test]
        fn removal_leaves_the_other_members(keep in prop::collection::vec(any::<bool>(), 1..8)) {
            let names: Vec<String> = (0..keep.len()).map(|index| format!("k{index}")).collect();
            let object: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), serde_json::json!([1, "x"]))).collect();
            let body = serde_json::to_string_pretty(&object).unwrap();
            let gone: Vec<&str> = names.iter().zip(&keep).filter(|(_, keep)| !**keep).map(|(name, _)| name.as_str()).collect();
            let left: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&without(&body, &gone)).unwrap();
            let wanted: Vec<&String> = names.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(name, _)| name).collect();
            prop_assert_eq!(left.keys().collect::<Vec<_>>(), wanted);
        }
    }
}
