//! Reads the answer to a copy as the client would have got it.

use bytes::Bytes;

use super::{Shadow, send::Told};
use crate::{
    chat::{part::Content, response::ChatResponse},
    dialects::{Call, translate::Transcoder},
    error::{AnswerError, Outcome},
    proxy::{endpoints::Kind, written::UpstreamCall},
    routing::Candidate,
};

impl Shadow {
    /// What an answer below 400 says.
    pub(super) fn read(
        &self,
        target: &Candidate,
        call: &UpstreamCall,
        asked: Option<&Call>,
        body: &Bytes,
    ) -> Told {
        let mut told = Told {
            outcome: Some(Outcome::Ok),
            ..Told::default()
        };
        if self.kind != Kind::Generate {
            told.usage = call.dialect.read_usage(body, false);
            return told;
        }
        match self.understand(call, asked, body) {
            Ok(response) => {
                told.usage = response.usage;
                told.text = Some(text(&response));
                told
            }
            Err(error) => {
                let error = target.provider.clean(error);
                let outcome = match error.is_garbage {
                    true => Outcome::Garbage,
                    false => Outcome::HttpError,
                };
                Told::failed(Some(outcome), error.message)
            }
        }
    }

    /// Reads an answer as its client would have got it.
    fn understand(
        &self,
        call: &UpstreamCall,
        asked: Option<&Call>,
        body: &Bytes,
    ) -> Result<ChatResponse, AnswerError> {
        let (Some(emulation), Some(asked)) = (&call.emulation, asked) else {
            return call.dialect.read_response(body);
        };
        let modes = (false, false);
        let emulation = emulation.clone();
        let mut transcoder = Transcoder::new(call.dialect, self.caller, asked, emulation, modes);
        let mut out = Vec::new();
        transcoder.push(body.clone(), &mut out)?;
        transcoder.finish(&mut out)?;
        let usage = transcoder.usage();
        let response = self.caller.read_response(&out)?;
        Ok(ChatResponse {
            usage: usage.or(response.usage),
            ..response
        })
    }
}

/// What the first of its answers says.
fn text(response: &ChatResponse) -> String {
    let parts = response
        .choices
        .iter()
        .take(1)
        .flat_map(|choice| &choice.parts);
    let texts = parts.filter_map(|part| match &part.content {
        Content::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect()
}
