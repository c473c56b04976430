//! What is wrong with the settings: all of it at once, each fault with the flag or the variable that it came by.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
};

use clap::{
    Arg, Command, Error, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::settings::is_ours;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    /// One more, unless it was said already.
    pub(crate) fn add(&mut self, fault: String) {
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, as one error.
    pub(crate) fn all(&self, command: &mut Command) -> Error {
        command.error(ErrorKind::ValueValidation, self.0.join("\nerror: "))
    }

    /// Reads the settings of this process. clap ends with the first fault, so it is asked again without what it found
    /// wrong, until it finds no more.
    ///
    /// # Errors
    /// That help or the version was asked for, before anything that is wrong.
    pub(crate) fn parse<S: Parser>(&mut self, mut command: Command) -> Result<Option<S>, Error> {
        let known = S::command();
        let mut words: Vec<OsString> = std::env::args_os().collect();
        let mut sound = true;
        loop {
            let matches = command.clone().try_get_matches_from(&words);
            let error = match matches.and_then(|matches| S::from_arg_matches(&matches)) {
                Ok(settings) => return Ok(sound.then_some(settings)),
                Err(error) if !error.use_stderr() => return if sound { Err(error) } else { Ok(None) },
                Err(error) if error.kind() == ErrorKind::InvalidUtf8 => {
                    self.add(not_unicode());
                    return Ok(None);
                }
                Err(error) => error,
            };
            sound = false;
            let given = named(&error);
            let is_named =
                |argument: &&Arg| given.strip_prefix("--").is_some_and(|flag| argument.get_long() == Some(flag));
            let argument = known.get_arguments().find(is_named);
            let variable = command.get_arguments().find(is_named).and_then(Arg::get_env);
            let place = (1..words.len()).find(|&place| split(&words[place]).0 == given && !is_value(&words, place));
            self.add(told(error, argument, variable.filter(|_| place.is_none())));
            match (place, argument) {
                (Some(place), _) => leave_out(&mut words, place),
                (None, Some(argument)) if variable.is_some() => {
                    command = command.mut_arg(argument.get_id(), |argument| argument.env(None::<&str>));
                }
                (None, _) => return Ok(None),
            }
        }
    }
}

/// What an error is about, as it was given: a flag without its value, or a word that is none.
fn named(error: &Error) -> String {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(usage)) => usage.split([' ', '=']).next().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// What stands before the `=` of a word, and whether it has one.
fn split(word: &OsString) -> (Cow<'_, str>, bool) {
    let word = word.to_string_lossy();
    match word.find('=') {
        Some(end) => (word[..end].to_owned().into(), true),
        None => (word, false),
    }
}

/// Whether a word is the value of the flag before it, and so no fault by itself.
fn is_value(words: &[OsString], place: usize) -> bool {
    let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"--") && word != "--" && !split(word).1;
    place > 1 && is_flag(&words[place - 1]) && !words[place].as_encoded_bytes().starts_with(b"-")
}

/// Takes a word away, and the value that follows a flag.
fn leave_out(words: &mut Vec<OsString>, place: usize) {
    let with_value = split(&words.remove(place)).1;
    let follows = words.get(place).is_some_and(|word| !word.as_encoded_bytes().starts_with(b"-"));
    if !with_value && follows {
        words.remove(place);
    }
}

/// One error in words: with the variable that it came by, and without the value if the setting is secret, which its
/// field says with `hide_env_values = true`.
fn told(mut error: Error, argument: Option<&Arg>, variable: Option<&OsStr>) -> String {
    if argument.is_some_and(Arg::is_hide_env_values_set) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(secret)".to_owned()));
    }
    if let Some(variable) = variable {
        let given = format!("{} ({})", variable.display(), named(&error));
        error.insert(ContextKind::InvalidArg, ContextValue::String(given));
    }
    let text = error.render().to_string();
    let end = ["\n\nUsage:", "\n\nFor more"].iter().filter_map(|part| text.find(part)).min().unwrap_or(text.len());
    text[..end].trim_start_matches("error: ").to_owned()
}

/// Which arguments and variables are no text.
fn not_unicode() -> String {
    let flags = std::env::args_os().filter(|argument| argument.to_str().is_none());
    // Its value may be a secret.
    let name = |flag: &str| flag.starts_with("--").then(|| flag.split('=').next().unwrap_or_default().to_owned());
    let flags = flags.map(|argument| name(&argument.to_string_lossy()).unwrap_or_else(|| "an argument".to_owned()));
    let variables = std::env::vars_os().filter(|(name, value)| is_ours(name) && value.to_str().is_none());
    let variables = variables.map(|(name, _)| name.to_string_lossy().into_owned());
    format!("not UTF-8: {}", flags.chain(variables).collect::<Vec<_>>().join(", "))
}
