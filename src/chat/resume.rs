//! A text stream that broke and is continued by another provider: what had been said ([`Said`]), the
//! request for the rest ([`Said::prefill`]), and the way of its answer into the stream that the client
//! has ([`Join`]). No text is lost and none is said twice.

use super::{
    event::{Delta, Event},
    part::{Content, Part},
    request::{ChatRequest, Message, Role},
    usage::Usage,
};
use crate::error::AnswerError;

/// An answer of more text than this is not continued: it would have to be held.
const MAX_TEXT_BYTES: usize = 4 << 20;
/// Where a model begins anew instead of going on, so much of it is the same as what was said; of a short
/// text half of it, and at least so much.
const MOST_REPEATED: usize = 16;
const LEAST_REPEATED: usize = 4;

/// What of a stream the client has been told.
#[derive(Debug, Clone, Default)]
pub struct Said {
    text: String,
    /// Blocks that have been opened.
    blocks: u32,
    /// The block that is open, where it is text.
    open: Option<u32>,
    /// Whether thoughts were shown.
    has_thought: bool,
    /// Whether something else than one answer's text and thoughts was said.
    is_other: bool,
    /// Whether it was said why the answer ended.
    is_finished: bool,
    /// What the providers counted before this one.
    pub(super) usage: Usage,
    /// What this one has counted.
    counted: Usage,
}

impl Said {
    /// Takes note of an event that the client gets.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Open {
                choice,
                block,
                part,
            } => {
                self.blocks = self.blocks.max(block.saturating_add(1));
                self.open = None;
                match &part.content {
                    _ if *choice != 0 => self.is_other = true,
                    Content::Text(text) => {
                        self.open = Some(*block);
                        self.add(&text.text);
                    }
                    Content::Thinking(thinking) => self.has_thought |= !thinking.text.is_empty(),
                    _ => self.is_other = true,
                }
            }
            Event::Delta {
                block,
                delta: Delta::Text(text),
                ..
            } if self.open == Some(*block) => self.add(text),
            Event::Delta {
                delta: Delta::Text(thought),
                ..
            } => self.has_thought |= !thought.is_empty(),
            Event::Close { .. } => self.open = None,
            Event::Finish { .. } => self.is_finished = true,
            Event::Usage { usage, .. } => self.counted = usage.merged(Some(self.counted)),
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
        self.is_other |= self.text.len() > MAX_TEXT_BYTES;
    }

    /// Whether another provider can go on.
    pub fn can_go_on(&self) -> bool {
        !self.is_other && !self.is_finished
    }

    /// Whether all was said but the end itself.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether the client has been told anything that matters.
    pub fn is_something(&self) -> bool {
        self.is_other || self.has_thought || !self.text.is_empty()
    }

    /// Adds what was said to `request` as the beginning of the answer. `trims`: whether the provider takes
    /// no white space at its end.
    pub fn prefill(&self, request: &mut ChatRequest, trims: bool) {
        let text = match trims {
            true => self.text.trim_end(),
            false => &self.text,
        };
        if text.is_empty() {
            return;
        }
        let said = Part::text(text);
        match request.messages.last_mut() {
            // The client had begun the answer itself.
            Some(last) if last.role == Role::Assistant => last.parts.push(said),
            _ => request
                .messages
                .push(Message::new(Role::Assistant, vec![said])),
        }
    }

    /// The way of the rest into the stream. `trims` as for [`Said::prefill`].
    pub fn join(&self, trims: bool) -> Join {
        let trimmed = match trims {
            true => self.text.get(self.text.trim_end().len()..),
            false => None,
        };
        Join {
            is_checking: !self.text.trim().is_empty(),
            trimmed: trimmed.unwrap_or_default().to_owned(),
            said: self.text.clone(),
            held: String::new(),
            next: self.blocks,
            open: self.open,
            block: None,
            blocks: Vec::new(),
            earlier: self.usage.plus(self.counted),
        }
    }

    /// The same for the next provider: what has been counted so far is over.
    pub fn go_on(&mut self) {
        self.usage = self.usage.plus(self.counted);
        self.counted = Usage::default();
    }
}

/// Puts the rest of an answer into the stream that its beginning stands in.
#[derive(Debug)]
pub struct Join {
    said: String,
    /// White space at its end that the provider was not shown.
    trimmed: String,
    /// Whether the model may yet turn out to have begun anew.
    is_checking: bool,
    /// Text that is the beginning of what was said.
    held: String,
    /// The number of the next block.
    next: u32,
    /// The open text block.
    open: Option<u32>,
    /// The provider's block that goes on with it.
    block: Option<u32>,
    /// The provider's blocks and their numbers here; none where they are not shown.
    blocks: Vec<(u32, Option<u32>)>,
    earlier: Usage,
}

impl Join {
    /// Takes an event of the provider that goes on; adds what the client gets to `out`.
    ///
    /// # Errors
    /// Where the model says something else than it did, instead of going on.
    pub fn push(&mut self, event: Event, out: &mut Vec<Event>) -> Result<(), AnswerError> {
        match event {
            Event::Start(_) => {}
            Event::Open {
                choice,
                block,
                part,
            } => self.begin(choice, block, part, out)?,
            Event::Delta {
                choice,
                block,
                delta,
            } => match (self.number(block), delta) {
                (Some(_), Delta::Text(text)) if self.block == Some(block) => {
                    self.text(choice, &text, out)?;
                }
                (Some(number), delta) => out.push(Event::Delta {
                    choice,
                    block: number,
                    delta,
                }),
                (None, _) => {}
            },
            Event::Close { choice, block } => {
                if self.block == Some(block) {
                    self.end(choice, out);
                } else if let Some(number) = self.number(block) {
                    out.push(Event::Close {
                        choice,
                        block: number,
                    });
                }
            }
            Event::Usage { usage, extra } => out.push(Event::Usage {
                usage: self.earlier.plus(usage),
                extra: match self.earlier == Usage::default() {
                    true => extra,
                    // In the provider's own words it would be its own part alone.
                    false => Default::default(),
                },
            }),
            event @ (Event::Finish { .. } | Event::Done) => {
                self.end(0, out);
                out.push(event);
            }
            event => out.push(event),
        }
        Ok(())
    }

    fn number(&self, block: u32) -> Option<u32> {
        let known = self.blocks.iter().find(|(theirs, _)| *theirs == block);
        known.and_then(|(_, ours)| *ours)
    }

    fn begin(
        &mut self,
        choice: u32,
        block: u32,
        mut part: Part,
        out: &mut Vec<Event>,
    ) -> Result<(), AnswerError> {
        let is_first = self.block.is_none();
        match &mut part.content {
            Content::Text(text) if is_first => {
                let text = std::mem::take(&mut text.text);
                let number = match self.open {
                    Some(number) => number,
                    None => {
                        let number = self.take_number();
                        out.push(Event::Open {
                            choice,
                            block: number,
                            part,
                        });
                        number
                    }
                };
                self.open = Some(number);
                self.block = Some(block);
                self.blocks.push((block, Some(number)));
                self.text(choice, &text, out)
            }
            // Thoughts behind text would be out of place.
            Content::Thinking(_) if is_first && !self.said.is_empty() => {
                self.blocks.push((block, None));
                Ok(())
            }
            _ => {
                self.end(choice, out);
                let number = self.take_number();
                self.blocks.push((block, Some(number)));
                out.push(Event::Open {
                    choice,
                    block: number,
                    part,
                });
                Ok(())
            }
        }
    }

    fn take_number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    fn text(&mut self, choice: u32, more: &str, out: &mut Vec<Event>) -> Result<(), AnswerError> {
        if !self.is_checking {
            self.say(choice, more, out);
            return Ok(());
        }
        self.held.push_str(more);
        if self.said.starts_with(&self.held) && self.held.len() < self.said.len() {
            return Ok(());
        }
        self.is_checking = false;
        let held = std::mem::take(&mut self.held);
        if let Some(rest) = held.strip_prefix(&self.said) {
            // All of it again: only what is new goes out.
            self.trimmed.clear();
            self.say(choice, rest, out);
            return Ok(());
        }
        let pairs = held.bytes().zip(self.said.bytes());
        if pairs.take_while(|(new, old)| new == old).count() >= self.telling() {
            let what = "the model began its answer anew instead of going on";
            return Err(AnswerError::garbage(what));
        }
        self.say(choice, &held, out);
        Ok(())
    }

    /// How many bytes like those at the beginning tell that the model has begun anew.
    fn telling(&self) -> usize {
        (self.said.len() / 2).clamp(LEAST_REPEATED, MOST_REPEATED)
    }

    fn say(&mut self, choice: u32, text: &str, out: &mut Vec<Event>) {
        let mut text = text;
        // The white space that the provider was not shown may come again.
        while let Some(first) = text.chars().next()
            && self.trimmed.starts_with(first)
        {
            self.trimmed.drain(..first.len_utf8());
            text = text.get(first.len_utf8()..).unwrap_or_default();
        }
        if text.is_empty() {
            return;
        }
        self.trimmed.clear();
        if let Some(block) = self.open {
            out.push(Event::Delta {
                choice,
                block,
                delta: Delta::Text(text.to_owned()),
            });
        }
    }

    /// Closes the text block that is open.
    fn end(&mut self, choice: u32, out: &mut Vec<Event>) {
        let held = std::mem::take(&mut self.held);
        self.is_checking = false;
        if held.len() < self.telling() {
            self.say(choice, &held, out);
        }
        if let Some(block) = self.open.take() {
            out.push(Event::Close { choice, block });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        event::{Assembler, Start},
        response::{ChatResponse, Choice, Finish, FinishReason},
    };

    const TEXT: &str = "The quick brown fox jumps over the lazy dog, twice.";

    fn answer(text: &str) -> Vec<Event> {
        let mut events = vec![
            Event::Start(Start::default()),
            Event::Open {
                choice: 0,
                block: 0,
                part: Part::text(""),
            },
        ];
        for word in text.split_inclusive(' ') {
            events.push(Event::Delta {
                choice: 0,
                block: 0,
                delta: Delta::Text(word.to_owned()),
            });
        }
        events.extend([
            Event::Close {
                choice: 0,
                block: 0,
            },
            Event::Finish {
                choice: 0,
                finish: Finish::new(FinishReason::Stop),
                extra: Default::default(),
            },
            Event::Usage {
                usage: Usage {
                    input: 10,
                    output: 5,
                    ..Usage::default()
                },
                extra: Default::default(),
            },
            Event::Done,
        ]);
        events
    }

    fn resumed(
        cut: usize,
        rest: impl Fn(&Said) -> String,
        trims: bool,
    ) -> Result<ChatResponse, AnswerError> {
        let mut said = Said::default();
        let mut assembler = Assembler::default();
        for event in answer(TEXT).into_iter().take(cut) {
            said.note(&event);
            assembler.push(event);
        }
        let mut join = said.join(trims);
        let mut out = Vec::new();
        for event in answer(&rest(&said)) {
            join.push(event, &mut out)?;
        }
        for event in out {
            said.note(&event);
            assembler.push(event);
        }
        assert!(assembler.is_done());
        assembler.finish()
    }

    fn text(response: &ChatResponse) -> &str {
        let [Choice { parts, finish, .. }] = response.choices.as_slice() else {
            panic!("{response:?}")
        };
        assert_eq!(finish.as_ref().unwrap().reason, FinishReason::Stop);
        let [part] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        part.as_text().unwrap()
    }

    #[test]
    fn a_cut_at_any_event_loses_nothing_and_repeats_nothing() {
        let words = TEXT.split(' ').count();
        for cut in 1..=2 + words {
            for trims in [false, true] {
                let rest = |said: &Said| TEXT[said.text.len()..].to_owned();
                let response = resumed(cut, rest, trims).unwrap();
                assert_eq!(text(&response), TEXT, "cut at {cut}");
                assert_eq!(response.usage.unwrap().output, 5);
            }
        }
    }

    #[test]
    fn a_model_that_says_it_all_again_is_heard_once() {
        for cut in 3..=2 + TEXT.split(' ').count() {
            let response = resumed(cut, |_| TEXT.to_owned(), false).unwrap();
            assert_eq!(text(&response), TEXT, "cut at {cut}");
        }
        let other = "The quick brown fox sleeps.";
        assert!(resumed(8, |_| other.to_owned(), false).is_err());
    }

    /// What the client hears where `said` was said and a model then says `rest`, word by word.
    fn joined(said: &str, rest: &str) -> Result<String, AnswerError> {
        let mut told = Said::default();
        let count = 2 + said.split_inclusive(' ').count();
        answer(said)
            .iter()
            .take(count)
            .for_each(|event| told.note(event));
        let (mut join, mut out) = (told.join(false), Vec::new());
        for event in answer(rest) {
            join.push(event, &mut out)?;
        }
        let said_more = out.iter().filter_map(|event| match event {
            Event::Delta {
                delta: Delta::Text(text),
                ..
            } => Some(text.as_str()),
            _ => None,
        });
        Ok(said.to_owned() + &said_more.collect::<String>())
    }

    #[test]
    fn a_few_words_are_not_said_twice_either() {
        for said in ["I", "Hello!", "Hello! How"] {
            let whole = format!("{said} are you today?");
            assert_eq!(joined(said, &whole).unwrap(), whole, "all of it again");
            assert_eq!(joined(said, " are you today?").unwrap(), whole);
        }
        assert!(joined("Hello! How", "Hello! I am fine.").is_err());
        assert_eq!(joined("Hello! How", "Hello!").unwrap(), "Hello! How");
        // What only begins alike by chance goes on.
        assert_eq!(joined("Well, a", "Wasp").unwrap(), "Well, aWasp");
        assert_eq!(joined("  ", "  x").unwrap(), "    x");
    }

    #[test]
    fn white_space_that_was_cut_off_does_not_come_twice() {
        let rest = |said: &Said| TEXT[said.text.trim_end().len()..].to_owned();
        assert_eq!(text(&resumed(6, rest, true).unwrap()), TEXT);
    }

    #[test]
    fn what_is_more_than_text_is_not_gone_on_with() {
        let mut said = Said::default();
        said.note(&Event::Open {
            choice: 0,
            block: 0,
            part: Part::new(Content::ToolCall(Default::default())),
        });
        assert!(!said.can_go_on());
        let mut said = Said::default();
        answer(TEXT).iter().for_each(|event| said.note(event));
        assert!(said.is_finished() && !said.can_go_on());
    }

    #[test]
    fn thoughts_are_something_and_can_be_gone_on_with() {
        let thinking = Part::new(Content::Thinking(Default::default()));
        let (mut said, block) = (Said::default(), 0);
        said.note(&Event::Open {
            choice: 0,
            block,
            part: thinking,
        });
        assert!(!said.is_something(), "nothing can be read of it yet");
        said.note(&Event::Delta {
            choice: 0,
            block,
            delta: Delta::Text("Well, ".to_owned()),
        });
        assert!(said.is_something() && said.can_go_on());
    }

    #[test]
    fn what_was_said_becomes_the_beginning_of_the_answer() {
        let mut said = Said::default();
        answer("Hi there ")
            .iter()
            .take(4)
            .for_each(|event| said.note(event));
        let mut request = ChatRequest::default();
        said.prefill(&mut request, true);
        assert_eq!(request.messages[0].parts[0].as_text(), Some("Hi there"));
        said.prefill(&mut request, false);
        assert_eq!(request.messages.len(), 1);
    }
}
