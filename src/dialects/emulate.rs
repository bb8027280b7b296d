//! What a provider has no word for, said in words that it has, and turned back in its answer: a JSON
//! Schema as a tool that must be called, a tool of free text as a function with one argument. And what a
//! provider's answer says in words that only it has, said as other providers of its dialect do.

use serde_json::{Value, json};

use crate::chat::{
    event::{Delta, Event},
    extra::Extra,
    part::{Content, Part, Text, ToolCall},
    request::{ChatRequest, Custom, Function, Tool},
    response::FinishReason,
};

/// What was emulated in a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Emulation {
    /// The tool whose arguments are the answer.
    pub json_tool: Option<String>,
    /// Functions that stand for tools of free text.
    pub custom_tools: Vec<String>,
    /// Whether texts and thoughts are to reach a caller of the provider's own dialect as those of other
    /// dialects do, and what only that provider knows is left out ([`Quirks::irregular`]).
    ///
    /// [`Quirks::irregular`]: crate::chat::target::Quirks::irregular
    pub is_regular: bool,
}

/// Declares each tool of free text as a function with one argument, and rewrites earlier calls to
/// match. Gives back their names.
pub(super) fn custom_tools(request: &mut ChatRequest) -> Vec<String> {
    let names = request.custom_tools();
    for tool in &mut request.tools {
        if let Tool::Custom(custom) = tool {
            *tool = Tool::Function(as_function(std::mem::take(custom)));
        }
    }
    for part in request
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.parts)
    {
        match &mut part.content {
            Content::ToolCall(call) if call.is_custom => {
                call.arguments = json!({ "input": call.arguments }).to_string();
                call.is_custom = false;
            }
            Content::ToolResult(result) => result.is_custom = false,
            _ => {}
        }
    }
    names
}

fn as_function(custom: Custom) -> Function {
    let mut about = String::from("The tool's whole input, as plain text.");
    if let Some(definition) = custom.format.as_ref().and_then(grammar) {
        about.push_str(" It must follow this grammar:\n");
        about.push_str(definition);
    }
    Function {
        name: custom.name,
        description: custom.description,
        parameters: Some(json!({
            "type": "object",
            "properties": {"input": {"type": "string", "description": about}},
            "required": ["input"],
            "additionalProperties": false,
        })),
        ..Function::default()
    }
}

/// The grammar's definition: `{type: grammar, definition}`, in Chat Completions one level deeper.
fn grammar(format: &Value) -> Option<&str> {
    let inner = format.get("grammar").unwrap_or(format);
    inner.get("definition")?.as_str()
}

/// Turns emulated calls back, and leaves out what the caller is not to see.
#[derive(Debug, Default)]
pub(super) struct Undo {
    emulation: Emulation,
    hides_thoughts: bool,
    /// Blocks that are the answer's text in truth.
    texts: Vec<(u32, u32)>,
    /// Calls of custom tools, held until they are whole: their text is inside JSON.
    held: Vec<(u32, u32, Part)>,
    /// Text before the call whose arguments are the answer: JSON it is not, and where that call does not
    /// come it is the answer. So it waits for either.
    preamble: Vec<Event>,
    /// Blocks that were left out; those behind them move up.
    omitted: Vec<(u32, u32)>,
    /// Choices that call a tool of the caller's.
    callers: Vec<u32>,
    /// Blocks of which only that is kept for which every dialect has a word.
    regular: Vec<(u32, u32)>,
}

impl Undo {
    pub(super) fn new(emulation: Emulation, hides_thoughts: bool) -> Self {
        Undo {
            emulation,
            hides_thoughts,
            ..Undo::default()
        }
    }

    /// Takes the next event; adds what the caller is to see to `out`.
    pub(super) fn push(&mut self, event: Event, out: &mut Vec<Event>) {
        if self.emulation == Emulation::default() && !self.hides_thoughts {
            return out.push(event);
        }
        match event {
            Event::Open {
                choice,
                block,
                part,
            } => self.open(choice, block, part, out),
            Event::Delta {
                choice,
                block,
                delta,
            } => self.delta(choice, block, delta, out),
            Event::Close { choice, block } => self.close(choice, block, out),
            Event::Finish {
                choice,
                mut finish,
                extra,
            } => {
                self.release(out);
                let calls = self.callers.contains(&choice);
                if self.is_answered(choice) && !calls && finish.reason == FinishReason::ToolCalls {
                    finish.reason = FinishReason::Stop;
                    finish.native = None;
                }
                out.push(Event::Finish {
                    choice,
                    finish,
                    extra,
                });
            }
            Event::Done | Event::Failed(_) => {
                self.release(out);
                out.push(event);
            }
            other => out.push(other),
        }
    }

    fn open(&mut self, choice: u32, block: u32, mut part: Part, out: &mut Vec<Event>) {
        if self.emulation.is_regular {
            match &part.content {
                Content::Text(_) | Content::Refusal(_) | Content::Thinking(_) => {
                    part.extra = Extra::default();
                    self.regular.push((choice, block));
                }
                // Pieces of a content; calls of unknown kinds have a mark.
                Content::Native(_) if part.extra.is_empty() => {
                    return self.omitted.push((choice, block));
                }
                _ => {}
            }
        }
        let json_tool = self.emulation.json_tool.as_deref();
        match &mut part.content {
            Content::Thinking(_) if self.hides_thoughts => {
                return self.omitted.push((choice, block));
            }
            Content::Text(_) if json_tool.is_some() => {
                if self.is_answered(choice) {
                    return self.omitted.push((choice, block));
                }
                return self.preamble.push(Event::Open {
                    choice,
                    block,
                    part,
                });
            }
            Content::ToolCall(call) if json_tool == Some(&*call.name) => {
                if self.is_answered(choice) {
                    return self.omitted.push((choice, block));
                }
                self.omit_preamble();
                self.texts.push((choice, block));
                let text = std::mem::take(&mut call.arguments);
                part = Part::new(Content::Text(Text {
                    text,
                    ..Text::default()
                }));
            }
            Content::ToolCall(call) => {
                self.callers.push(choice);
                if self.emulation.custom_tools.contains(&call.name) {
                    return self.held.push((choice, block, part));
                }
                self.release(out);
            }
            _ => {}
        }
        let block = self.place(choice, block);
        out.push(Event::Open {
            choice,
            block,
            part,
        });
    }

    fn delta(&mut self, choice: u32, block: u32, delta: Delta, out: &mut Vec<Event>) {
        let at = (choice, block);
        let is_foreign = matches!(delta, Delta::Extra(_)) && self.regular.contains(&at);
        if self.omitted.contains(&at) || is_foreign {
            return;
        }
        if let Some((_, _, part)) = self.held.iter_mut().find(|held| (held.0, held.1) == at) {
            return part.extend(delta);
        }
        if self.waits(choice, block) {
            return self.preamble.push(Event::Delta {
                choice,
                block,
                delta,
            });
        }
        let delta = match delta {
            Delta::Arguments(text) if self.texts.contains(&at) => Delta::Text(text),
            other => other,
        };
        let block = self.place(choice, block);
        out.push(Event::Delta {
            choice,
            block,
            delta,
        });
    }

    fn close(&mut self, choice: u32, block: u32, out: &mut Vec<Event>) {
        if self.omitted.contains(&(choice, block)) {
            return;
        }
        if self.waits(choice, block) {
            return self.preamble.push(Event::Close { choice, block });
        }
        let held = self.take_held(choice, block);
        let block = self.place(choice, block);
        if let Some(part) = held {
            self.release(out);
            out.push(Event::Open {
                choice,
                block,
                part: as_custom(part),
            });
        }
        out.push(Event::Close { choice, block });
    }

    fn is_answered(&self, choice: u32) -> bool {
        self.texts.iter().any(|(known, _)| *known == choice)
    }

    /// A block's number among those that the caller sees.
    fn place(&self, choice: u32, block: u32) -> u32 {
        let before = |omitted: &&(u32, u32)| omitted.0 == choice && omitted.1 < block;
        let omitted = self.omitted.iter().filter(before).count();
        block.saturating_sub(u32::try_from(omitted).unwrap_or(u32::MAX))
    }

    fn waits(&self, choice: u32, block: u32) -> bool {
        self.preamble.iter().any(
            |event| matches!(event, Event::Open { choice: of, block: at, .. } if (*of, *at) == (choice, block)),
        )
    }

    /// The text that waited is part of the answer.
    fn release(&mut self, out: &mut Vec<Event>) {
        for event in std::mem::take(&mut self.preamble) {
            out.push(match event {
                Event::Open {
                    choice,
                    block,
                    part,
                } => Event::Open {
                    choice,
                    block: self.place(choice, block),
                    part,
                },
                Event::Delta {
                    choice,
                    block,
                    delta,
                } => Event::Delta {
                    choice,
                    block: self.place(choice, block),
                    delta,
                },
                Event::Close { choice, block } => Event::Close {
                    choice,
                    block: self.place(choice, block),
                },
                other => other,
            });
        }
    }

    fn omit_preamble(&mut self) {
        for event in std::mem::take(&mut self.preamble) {
            if let Event::Open { choice, block, .. } = event {
                self.omitted.push((choice, block));
            }
        }
    }

    fn take_held(&mut self, choice: u32, block: u32) -> Option<Part> {
        let at = self
            .held
            .iter()
            .position(|held| (held.0, held.1) == (choice, block))?;
        Some(self.held.remove(at).2)
    }
}

/// The call with its text in place of the JSON around it. What is no such JSON stays as it is.
fn as_custom(mut part: Part) -> Part {
    if let Content::ToolCall(call) = &mut part.content {
        let text = serde_json::from_str::<Value>(&call.arguments)
            .ok()
            .and_then(|value| Some(value.get("input")?.as_str()?.to_owned()));
        *call = ToolCall {
            arguments: text.unwrap_or_else(|| std::mem::take(&mut call.arguments)),
            is_custom: true,
            ..std::mem::take(call)
        };
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{extra::Native, part::Thinking, response::Finish};

    fn call(name: &str, arguments: &str) -> Part {
        Part::new(Content::ToolCall(ToolCall {
            name: name.into(),
            arguments: arguments.into(),
            ..ToolCall::default()
        }))
    }

    fn run(emulation: Emulation, events: Vec<Event>) -> Vec<Event> {
        let (mut undo, mut out) = (Undo::new(emulation, false), Vec::new());
        events
            .into_iter()
            .for_each(|event| undo.push(event, &mut out));
        out
    }

    fn finish(reason: FinishReason) -> Event {
        Event::Finish {
            choice: 0,
            finish: Finish::new(reason),
            extra: Extra::default(),
        }
    }

    #[test]
    fn the_forced_tools_arguments_are_the_answers_text() {
        let emulation = Emulation {
            json_tool: Some("json".into()),
            ..Emulation::default()
        };
        let seen = run(
            emulation,
            vec![
                Event::Open {
                    choice: 0,
                    block: 0,
                    part: call("json", "{"),
                },
                Event::Delta {
                    choice: 0,
                    block: 0,
                    delta: Delta::Arguments("}".into()),
                },
                Event::Close {
                    choice: 0,
                    block: 0,
                },
                finish(FinishReason::ToolCalls),
            ],
        );
        assert_eq!(
            seen[0],
            Event::Open {
                choice: 0,
                block: 0,
                part: Part::text("{")
            }
        );
        assert_eq!(
            seen[1],
            Event::Delta {
                choice: 0,
                block: 0,
                delta: Delta::Text("}".into())
            }
        );
        assert_eq!(seen[3], finish(FinishReason::Stop));
    }

    #[test]
    fn what_is_regular_says_nothing_that_only_its_provider_knows() {
        let mut extra = Extra::default();
        extra.insert("openai_chat", "closed", true.into());
        let thought = |extra| Part {
            extra,
            ..Part::new(Content::Thinking(Thinking {
                text: "hm".into(),
                ..Thinking::default()
            }))
        };
        let open = |block, part| Event::Open {
            choice: 0,
            block,
            part,
        };
        let close = |block| Event::Close { choice: 0, block };
        let more = Event::Delta {
            choice: 0,
            block: 0,
            delta: Delta::Extra(extra.clone()),
        };
        let reference = Part::new(Content::Native(Native {
            dialect: "openai_chat",
            value: json!({"type": "reference"}),
        }));
        let events = vec![
            open(0, thought(extra)),
            more,
            close(0),
            open(1, reference),
            close(1),
            open(2, Part::text("a")),
            close(2),
        ];
        let emulation = Emulation {
            is_regular: true,
            ..Emulation::default()
        };
        let expected = vec![
            open(0, thought(Extra::default())),
            close(0),
            open(1, Part::text("a")),
            close(1),
        ];
        assert_eq!(run(emulation, events), expected);
    }

    fn text(block: u32, text: &str) -> Vec<Event> {
        let part = Part::text(text);
        vec![
            Event::Open {
                choice: 0,
                block,
                part,
            },
            Event::Close { choice: 0, block },
        ]
    }

    #[test]
    fn what_is_said_before_and_behind_the_json_is_left_out() {
        let emulation = Emulation {
            json_tool: Some("json".into()),
            ..Emulation::default()
        };
        let answer = vec![
            Event::Open {
                choice: 0,
                block: 1,
                part: call("json", "{}"),
            },
            Event::Close {
                choice: 0,
                block: 1,
            },
        ];
        let said = [text(0, "Let me see."), answer, text(2, "Done.")].concat();
        assert_eq!(run(emulation.clone(), said), text(0, "{}"));
        // Where no call comes the text is the answer.
        let said = [text(0, "I will not."), vec![finish(FinishReason::Stop)]].concat();
        assert_eq!(run(emulation, said.clone()), said);
    }

    #[test]
    fn thoughts_that_the_caller_did_not_ask_for_are_left_out() {
        let thought = Part::new(Content::Thinking(crate::chat::part::Thinking::default()));
        let open = Event::Open {
            choice: 0,
            block: 0,
            part: thought,
        };
        let close = Event::Close {
            choice: 0,
            block: 0,
        };
        let (mut undo, mut out) = (Undo::new(Emulation::default(), true), Vec::new());
        let said = [vec![open, close], text(1, "hi")].concat();
        said.into_iter()
            .for_each(|event| undo.push(event, &mut out));
        assert_eq!(out, text(0, "hi"));
    }

    #[test]
    fn a_tool_of_free_text_gets_its_text_back() {
        let emulation = Emulation {
            custom_tools: vec!["patch".into()],
            ..Emulation::default()
        };
        let seen = run(
            emulation,
            vec![
                Event::Open {
                    choice: 0,
                    block: 0,
                    part: call("patch", "{\"input\":"),
                },
                Event::Delta {
                    choice: 0,
                    block: 0,
                    delta: Delta::Arguments("\"a\\nb\"}".into()),
                },
                Event::Close {
                    choice: 0,
                    block: 0,
                },
                finish(FinishReason::ToolCalls),
            ],
        );
        let Event::Open { part, .. } = &seen[0] else {
            panic!("{seen:?}")
        };
        let Content::ToolCall(call) = &part.content else {
            panic!("{part:?}")
        };
        assert_eq!((call.arguments.as_str(), call.is_custom), ("a\nb", true));
        assert_eq!(seen[2], finish(FinishReason::ToolCalls));
    }

    #[test]
    fn a_tool_of_free_text_is_declared_as_a_function() {
        let format = json!({"type": "grammar", "syntax": "lark", "definition": "start: /x/"});
        let custom = Custom {
            name: "patch".into(),
            format: Some(format),
            ..Custom::default()
        };
        let mut request = ChatRequest {
            tools: vec![Tool::Custom(custom)],
            ..ChatRequest::default()
        };
        assert_eq!(custom_tools(&mut request), ["patch"]);
        let function = request.function("patch").unwrap();
        assert!(
            function
                .parameters
                .as_ref()
                .unwrap()
                .to_string()
                .contains("start: /x/")
        );
    }
}
