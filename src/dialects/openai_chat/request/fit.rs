//! What some compatible servers refuse of OpenAI's own requests, so that a body which is otherwise passed
//! on as it is loses those members, or is written anew.

use crate::{
    chat::{
        extra::Opaque,
        target::{JsonSchema, Target},
    },
    dialects::{
        Dropped, Unfit,
        openai_chat::request::strict,
        scan::{Members, Places},
        splice::removals,
    },
};

/// See [`crate::dialects::Dialect::unfit`].
pub(in crate::dialects::openai_chat) fn unfit(
    body: &[u8],
    places: &Places,
    target: &Target<'_>,
) -> Unfit {
    let quirks = target.quirks;
    let is_particular = !quirks.stream_options
        || !quirks.unsupported.is_empty()
        || !quirks.renames.is_empty()
        || !quirks.message_members.is_empty()
        || quirks.json_schema == JsonSchema::ForcedTool;
    let has_others_thoughts = Opaque::is_carried(body);
    let Some(members) = is_particular.then(|| places.find(body)).flatten() else {
        return Unfit {
            needs_writing: has_others_thoughts,
            ..Unfit::default()
        };
    };
    let is_refused =
        |name: &str| (name == "stream_options" && !quirks.stream_options) || quirks.refuses(name);
    let mut dropped = Dropped::default();
    for member in members.all() {
        let name: &str = &member.name;
        // Without it such servers tell the usage all the same.
        if is_refused(name) && name != "stream_options" {
            dropped.add(name);
        }
    }
    Unfit {
        cuts: removals(&members, is_refused),
        dropped,
        needs_writing: has_others_thoughts || needs_writing(&members, target),
    }
}

fn needs_writing(members: &Members<'_>, target: &Target<'_>) -> bool {
    let quirks = target.quirks;
    let has_schema = || {
        let format = members.value("response_format").unwrap_or_default();
        memchr::memmem::find(format, b"\"json_schema\"").is_some()
    };
    quirks
        .renames
        .keys()
        .any(|name| members.get(name).is_some())
        || (quirks.json_schema == JsonSchema::ForcedTool && has_schema())
        || strict::has_refused(members.value("messages").unwrap_or_default(), target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::target::{Operation, Quirks},
        dialects::splice::splice,
    };
    use bytes::Bytes;

    fn unfit(body: &[u8], quirks: &Quirks) -> Unfit {
        let target = Target {
            model: "m",
            quirks,
            operation: Operation::Generate,
        };
        super::unfit(body, &Places::default(), &target)
    }

    fn mistral() -> Quirks {
        Quirks {
            stream_options: false,
            unsupported: vec!["user".into()],
            renames: [("seed".to_owned(), "random_seed".to_owned())].into(),
            ..Quirks::default()
        }
    }

    #[test]
    fn what_is_refused_is_cut_and_what_matters_of_it_reported() {
        let body =
            br#"{"model":"m","stream_options":{"include_usage":true},"user":"u","messages":[]}"#;
        let found = unfit(body, &mistral());
        let cut = splice(&Bytes::from_static(body), &found.cuts, None);
        assert_eq!(&cut[..], br#"{"model":"m","messages":[]}"#);
        assert_eq!(found.dropped.names(), ["user"]);
        assert!(!found.needs_writing);
        assert_eq!(unfit(body, &Quirks::default()), Unfit::default());
    }

    #[test]
    fn other_names_and_schemas_need_writing() {
        assert!(unfit(br#"{"seed":1}"#, &mistral()).needs_writing);
        let deepseek = Quirks {
            json_schema: JsonSchema::ForcedTool,
            ..Quirks::default()
        };
        let schema = br#"{"response_format":{"type":"json_schema","json_schema":{}}}"#;
        assert!(unfit(schema, &deepseek).needs_writing);
        let object = br#"{"response_format":{"type":"json_object"}}"#;
        assert!(!unfit(object, &deepseek).needs_writing);
        let carried = br#"{"messages":[{"thinking_blocks":[{"signature":"gw1.gemini.x"}]}]}"#;
        assert!(unfit(carried, &Quirks::default()).needs_writing);
    }
}
