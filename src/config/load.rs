//! Puts the sources of a configuration in their order and applies them one by one.

use std::{fmt, io, path::Path, path::PathBuf};

use super::{Config, ConfigError, Place, draft::Draft, environment, file, keys, nearest, pattern, rabbitmq};

/// Looks up an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that a configuration is made of.
#[derive(Clone)]
pub struct Sources<'a> {
    /// Files in rabbitmq.conf's format; a later one overrides an earlier one.
    pub files: Vec<SourceFile>,
    /// `KEY=VALUE` from the command line; they override everything else.
    pub set: Vec<String>,
    /// The data directory from the command line; overrides the key `data_dir` wherever it is set.
    pub data_dir: Option<PathBuf>,
    /// The value of an environment variable by its name. Passed in so that tests need not change the process's own.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Sources<'a> {
    /// No files and no command line, only the environment.
    pub fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { files: Vec::new(), set: Vec::new(), data_dir: None, environment }
    }
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither texts nor settings: both may hold passwords.
        let names: Vec<_> = self.files.iter().map(|file| &file.name).collect();
        formatter
            .debug_struct("Sources")
            .field("files", &names)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// A configuration file that has been read.
#[derive(Clone)]
pub struct SourceFile {
    /// Name for messages, usually the path as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// Reads a file; a directory stands for all its `*.conf` files in the order of their names (RabbitMQ's `conf.d`).
    ///
    /// # Errors
    /// Whatever the file system says, or that the text is not UTF-8.
    pub fn read(path: &Path) -> io::Result<Vec<Self>> {
        if !path.is_dir() {
            let text = std::fs::read_to_string(path)?;
            return Ok(vec![Self { name: path.display().to_string(), text }]);
        }
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "conf") && path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        let read =
            |path: PathBuf| std::fs::read_to_string(&path).map(|text| Self { name: path.display().to_string(), text });
        paths.into_iter().map(read).collect()
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SourceFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A configuration with what its author should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Settings that are understood but change nothing, one sentence each, for the log.
    pub warnings: Vec<String>,
}

/// What overrides what: a later layer wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// Variables that RabbitMQ takes as defaults for the file.
    NodeEnvironment,
    Files,
    /// Variables that RabbitMQ puts over the file, so that a container's image can carry one.
    UserEnvironment,
    CommandLine,
}

/// One value for one key.
pub(super) struct Setting {
    pub(super) place: Place,
    pub(super) layer: Layer,
    pub(super) key: String,
    pub(super) value: String,
}

pub(super) fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let mut draft = Draft::default();
    environment::node_address(&mut draft, sources.environment)?;
    let mut settings = environment::settings(sources.environment);
    for source in &sources.files {
        settings.extend(file::settings(&source.name, &source.text, sources.environment)?);
    }
    for text in &sources.set {
        settings.push(file::command_line(text, sources.environment)?);
    }
    // Stable: within a layer the order of writing stays, so that the last one wins.
    settings.sort_by_key(|setting| setting.layer);
    for setting in &settings {
        apply(&mut draft, setting)?;
    }
    let mut loaded = draft.finish();
    if let Some(data_dir) = &sources.data_dir {
        loaded.config.data_dir.clone_from(data_dir);
    }
    Ok(loaded)
}

fn apply(draft: &mut Draft, setting: &Setting) -> Result<(), ConfigError> {
    let segments = pattern::segments(&setting.key);
    let Some(key) = keys::find(&segments) else {
        return not_ours(draft, setting, &segments);
    };
    let invalid = |expected| ConfigError::InvalidValue {
        place: setting.place.clone(),
        key: setting.key.clone(),
        value: setting.value.clone(),
        expected,
    };
    if setting.value.starts_with("encrypted:") {
        return Err(invalid("a value in clear text; encrypted values cannot be read yet".to_owned()));
    }
    key.apply(draft, setting, &segments).map_err(invalid)
}

fn not_ours(draft: &mut Draft, setting: &Setting, segments: &[String]) -> Result<(), ConfigError> {
    let Setting { place, key, .. } = setting;
    if let Some((_, reason)) = rabbitmq::NOT_ANY_MORE.iter().find(|(known, _)| pattern::matches(known, segments)) {
        draft.warn(format!("{place}: `{key}` has no effect, {reason}"));
        return Ok(());
    }
    if !rabbitmq::NOT_YET.iter().any(|known| pattern::matches(known, segments)) {
        return Err(ConfigError::UnknownKey { place: place.clone(), key: key.clone(), nearest: nearest::nearest(key) });
    }
    draft.warn(format!("{place}: `{key}` has no effect yet"));
    Ok(())
}
