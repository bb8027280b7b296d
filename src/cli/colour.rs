//! Colours: on a terminal alone, unless `--color` says otherwise; never where `NO_COLOR` is set
//! (<https://no-color.org>).

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use clap::{ColorChoice, ValueEnum};

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// In files and pipes too
    Always,
    /// Nowhere
    Never,
}

/// A colour of terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
}

impl Colour {
    fn code(self) -> u8 {
        match self {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
        }
    }
}

/// Where there are colours: on standard output, on standard error.
static WHERE: OnceLock<(bool, bool)> = OnceLock::new();

/// Decides where there are colours; only the first time counts.
pub(super) fn decide(when: When, no_color: bool, is_dumb: bool) {
    let decide = |is_terminal: bool| match when {
        When::Auto => is_terminal && !no_color && !is_dumb,
        When::Always => true,
        When::Never => false,
    };
    let places = (
        decide(io::stdout().is_terminal()),
        decide(io::stderr().is_terminal()),
    );
    let _ = WHERE.set(places);
}

/// What the command line says of colours, before it is read as a whole: help has some too.
pub(super) fn asked(arguments: impl Iterator<Item = String>) -> ColorChoice {
    let arguments: Vec<String> = arguments.collect();
    let said = |word: &str| {
        let joined = format!("--color={word}");
        let apart = arguments.windows(2).any(|pair| pair == ["--color", word]);
        apart || arguments.contains(&joined)
    };
    match (said("always"), said("never")) {
        (true, _) => ColorChoice::Always,
        (_, true) => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// The text in a colour, where standard error has any.
pub(super) fn on_stderr(text: &str, colour: Colour) -> String {
    let is_on = WHERE.get().is_some_and(|places| places.1);
    paint(text, colour, is_on)
}

/// The word for a state in its colour, where standard output has any.
pub(super) fn state(word: &str) -> String {
    let is_on = WHERE.get().is_some_and(|places| places.0);
    match of_state(word) {
        Some(colour) => paint(word, colour, is_on),
        None => word.to_owned(),
    }
}

fn paint(text: &str, colour: Colour, is_on: bool) -> String {
    match is_on {
        true => format!("\x1b[{}m{text}\x1b[0m", colour.code()),
        false => text.to_owned(),
    }
}

fn of_state(word: &str) -> Option<Colour> {
    let begins = |words: &[&str]| words.iter().any(|start| word.starts_with(start));
    match word {
        "active" | "well" | "up" | "closed" | "in use" | "it works" => Some(Colour::Green),
        "blocked" | "expired" | "reserved" | "left out" | "not in use" => Some(Colour::Yellow),
        "-" | "" => None,
        _ if begins(&["half open", "the key works", "it lists no"]) => Some(Colour::Yellow),
        _ if begins(&["open", "not well", "down", "revoked", "unreadable"]) => Some(Colour::Red),
        _ if begins(&["the key is refused", "the provider has", "there is no list"]) => {
            Some(Colour::Red)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_asked_for_in_either_form() {
        let of = |line: &str| asked(line.split(' ').map(str::to_owned));
        assert_eq!(of("gateway --color never key"), ColorChoice::Never);
        assert_eq!(of("gateway key list --color=always"), ColorChoice::Always);
        assert_eq!(of("gateway key list"), ColorChoice::Auto);
    }

    #[test]
    fn states_have_the_colours_of_traffic_lights() {
        assert_eq!(of_state("active"), Some(Colour::Green));
        assert_eq!(of_state("half open, 3 s"), Some(Colour::Yellow));
        assert_eq!(of_state("open, 3 s"), Some(Colour::Red));
        assert_eq!(of_state("anything"), None);
        assert_eq!(paint("up", Colour::Green, true), "\x1b[32mup\x1b[0m");
        assert_eq!(state("up"), "up", "nothing was decided");
    }
}
