//! The daemon's own messages: which of them are kept, and where they go; both can change at any
//! time.
//!
//! Owns: the filters and outputs in force. Never: knows what a message is about.

mod line;
mod output;
mod rules;

use std::sync::{OnceLock, PoisonError, RwLock};

use ostler_base::Result;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

pub use output::Place;
pub use rules::{Filter, Output, Priority, parse_filters, parse_outputs};

use output::Sink;

/// What is kept of all messages.
#[derive(Debug)]
struct Rules {
    /// What counts where no filter fits.
    default: Priority,
    filters: Vec<Filter>,
    outputs: Vec<(Output, Sink)>,
}

impl Rules {
    /// The least important messages of a source that are kept.
    fn floor(&self, source: &str) -> Priority {
        let fits = self.filters.iter().find(|filter| filter.matches(source));
        fits.map_or(self.default, |filter| filter.priority)
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let priority = Priority::of(*metadata.level());
        self.outputs.iter().any(|(output, _)| output.priority <= priority)
            && self.floor(&line::source(metadata.target())) <= priority
    }
}

static RULES: OnceLock<RwLock<Rules>> = OnceLock::new();

fn with<T>(work: impl FnOnce(&Rules) -> T) -> Option<T> {
    let rules = RULES.get()?;
    Some(work(&rules.read().unwrap_or_else(PoisonError::into_inner)))
}

fn change(work: impl FnOnce(&mut Rules)) {
    if let Some(rules) = RULES.get() {
        work(&mut rules.write().unwrap_or_else(PoisonError::into_inner));
        tracing::callsite::rebuild_interest_cache();
    }
}

/// What carries messages from where they are written to the outputs.
struct Relay;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Relay {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match with(|rules| rules.wants(metadata)) {
            Some(true) => Interest::always(),
            _ => Interest::never(),
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = line::Line::of(event);
        with(|rules| {
            for (output, sink) in &rules.outputs {
                if output.priority <= line.priority {
                    sink.write(&line);
                }
            }
        });
    }
}

/// Begins to keep messages; `default` is where they go until something else is asked for. The error
/// is a message for the user.
pub fn begin(
    priority: Priority,
    filters: &str,
    outputs: &str,
    default: &Place,
) -> std::result::Result<(), String> {
    DEFAULT.get_or_init(|| default.clone());
    let filters = parse_filters(filters).map_err(|e| format!("log_filters: {e}"))?;
    let outputs = open(&wished(outputs, priority).map_err(|e| format!("log_outputs: {e}"))?)
        .map_err(|e| format!("log_outputs: {e}"))?;
    let rules = Rules { default: priority, filters, outputs };
    RULES.set(RwLock::new(rules)).map_err(|_| "messages are kept already".to_owned())?;
    let subscriber = tracing_subscriber::registry().with(Relay);
    tracing::subscriber::set_global_default(subscriber).map_err(|e| format!("cannot begin to log: {e}"))
}

/// Where messages go if nothing else is asked for.
static DEFAULT: OnceLock<Place> = OnceLock::new();

/// The outputs that a text asks for; an empty one asks for the default.
fn wished(text: &str, priority: Priority) -> Result<Vec<Output>> {
    let outputs = parse_outputs(text)?;
    let default = || Output { priority, place: DEFAULT.get().cloned().unwrap_or(Place::Stderr) };
    Ok(if outputs.is_empty() { vec![default()] } else { outputs })
}

fn open(outputs: &[Output]) -> Result<Vec<(Output, Sink)>> {
    outputs.iter().map(|output| Ok((output.clone(), Sink::open(&output.place)?))).collect()
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// The outputs in force as text, and how many there are.
pub fn outputs() -> (String, u32) {
    let text = |rules: &Rules| {
        let all: Vec<String> = rules.outputs.iter().map(|(output, _)| output.to_string()).collect();
        (all.join(" "), count(&rules.outputs))
    };
    with(text).unwrap_or_default()
}

/// The filters in force as text, each with a blank behind it, and how many there are.
pub fn filters() -> (String, u32) {
    let text = |rules: &Rules| {
        let all: String = rules.filters.iter().map(|filter| format!("{filter} ")).collect();
        (all, count(&rules.filters))
    };
    with(text).unwrap_or_default()
}

/// Sets the filters. Where the text is wrong, nothing changes.
pub fn set_filters(text: &str) -> Result<()> {
    let filters = parse_filters(text)?;
    change(|rules| rules.filters = filters);
    Ok(())
}

/// Sets the outputs; an empty text asks for the default. Where the text is wrong or one cannot be
/// opened, nothing changes.
pub fn set_outputs(text: &str) -> Result<()> {
    let priority = with(|rules| rules.default).unwrap_or(Priority::Warning);
    let outputs = open(&wished(text, priority)?)?;
    change(|rules| rules.outputs = outputs);
    Ok(())
}

/// Sets what counts where no filter fits.
pub fn set_default(priority: Priority) {
    change(|rules| rules.default = priority);
}

impl Priority {
    /// The priority of a message of this level.
    fn of(level: Level) -> Self {
        match level {
            Level::ERROR => Priority::Error,
            Level::WARN => Priority::Warning,
            Level::INFO => Priority::Info,
            _ => Priority::Debug,
        }
    }
}
