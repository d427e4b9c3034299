//! What each request cost where, for a collector of OpenTelemetry (OTLP over gRPC): where an endpoint is configured.
//!
//! A request is one trace at all servers, for it has one id there ([`types::TraceId`]), of 64 bits. The trace has that id, and so has
//! the span of who asked, which the spans of the servers are children of: nothing more has to be sent along.
//!
//! # Guarantees
//! What is traced waits for nothing: a span that finds the queue full is dropped, and so is one for which the collector does not
//! answer. Whether a request is traced depends on its id alone, so a trace is there as a whole or not at all.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks,
    SpanProcessor as _,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Key, Settings};
use crate::failure::{Failure, Result};

/// What requests are traced by.
const TARGET: &str = "request";

/// The span of who asked has this name; those of servers have another one.
pub(crate) const ROOT: &str = "root";

/// How long what is still queued may take to be sent at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans go, once there is a runtime to send them.
static SINK: OnceLock<BatchSpanProcessor> = OnceLock::new();

/// What sees the spans; none when no endpoint is configured.
pub(crate) fn layer<S>(settings: &Settings) -> Option<impl Layer<S> + use<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    settings.text(Key::OtlpEndpoint)?;
    let share = settings.share(Key::OtlpShare).unwrap_or(1.0);
    let wanted = Targets::new().with_target(TARGET, Level::DEBUG);
    Some(Spans { share }.with_filter(wanted))
}

/// Sends them for as long as it lives.
pub(crate) struct Sending(());

/// Begins to send what is traced, in the name of `role`. Must be called where tasks can be started.
///
/// # Errors
/// When the endpoint is none.
pub(crate) fn send(settings: &Settings, role: &'static str) -> Result<Sending> {
    let Some(endpoint) = settings.text(Key::OtlpEndpoint) else {
        return Ok(Sending(()));
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| {
            Failure::usage(
                "configuration",
                format_args!("otlp_endpoint is {endpoint}, which can not be: {error}"),
            )
            .next("it is the gRPC port of a collector: http://HOST:4317")
        })?;
    let mut sink = BatchSpanProcessor::builder(exporter).build();
    let resource = Resource::builder()
        .with_service_name(format!("distrifs-{role}"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())));
    sink.set_resource(&resource.build());
    let _ = SINK.set(sink);
    Ok(Sending(()))
}

impl Sending {
    /// Sends what is still there. Blocks.
    pub(crate) fn end(self) {
        if let Some(sink) = SINK.get()
            && let Err(error) = sink.shutdown_with_timeout(FLUSH)
        {
            tracing::debug!(%error, "not all that was traced could be sent");
        }
    }
}

struct Spans {
    share: f64,
}

/// A span that has begun.
struct Begun {
    at: SystemTime,
    fields: Fields,
}

/// What is said of a span, when it begins and later.
#[derive(Default)]
struct Fields {
    id: u64,
    operation: Option<String>,
    failed: Option<String>,
    /// The status of an answer over HTTP.
    status: Option<u64>,
    others: Vec<KeyValue>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "operation" => self.operation = Some(value.to_owned()),
            "refused" => self.failed = Some(value.to_owned()),
            "message" => {}
            name => self.others.push(KeyValue::new(name, value.to_owned())),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match (field.name(), value) {
            ("well", true) => {}
            ("well", false) => self.failed = Some("it was not carried out".to_owned()),
            (name, value) => self.others.push(KeyValue::new(name, value)),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "id" => self.id = text.parse().map_or(0, |types::TraceId(id)| id),
            _ => self.record_str(field, &text),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if !is_of_share(fields.id, self.share) {
            return;
        }
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Begun {
                at: SystemTime::now(),
                fields,
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(span) = context.event_span(event)
            && let Some(begun) = span.extensions_mut().get_mut::<Begun>()
        {
            let mut said = Fields::default();
            event.record(&mut said);
            let Fields { failed, status, .. } = said;
            begun.fields.failed = failed.or(begun.fields.failed.take());
            begun.fields.status = status.or(begun.fields.status);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let (Some(span), Some(sink)) = (context.span(&id), SINK.get()) else {
            return;
        };
        let begun = span.extensions_mut().remove::<Begun>();
        if let Some(begun) = begun {
            sink.on_end(ended(begun, span.name() == ROOT));
        }
    }
}

/// Whether a request is one of those that are traced.
#[expect(clippy::cast_precision_loss, reason = "a share is not exact")]
fn is_of_share(id: u64, share: f64) -> bool {
    // Ids that people choose are not spread evenly: splitmix64's last steps spread them.
    let mixed = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) as f64) < share * u64::MAX as f64
}

/// What the collector is told.
fn ended(Begun { at, fields }: Begun, root: bool) -> SpanData {
    let Fields {
        id,
        operation,
        failed,
        status,
        mut others,
    } = fields;
    if let Some(status) = status.and_then(|status| i64::try_from(status).ok()) {
        others.push(KeyValue::new("http.response.status_code", status));
    }
    let asked = SpanId::from_bytes(id.to_be_bytes());
    // Who sends no id is traced by itself.
    let trace = match id {
        0 => RandomIdGenerator::default().new_trace_id(),
        id => u128::from(id).into(),
    };
    let (own, parent, kind) = match root {
        true => (asked, SpanId::INVALID, SpanKind::Client),
        false => (
            RandomIdGenerator::default().new_span_id(),
            asked,
            SpanKind::Server,
        ),
    };
    SpanData {
        span_context: SpanContext::new(trace, own, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: parent,
        parent_span_is_remote: !root,
        span_kind: kind,
        name: operation.unwrap_or_else(|| TARGET.to_owned()).into(),
        start_time: at,
        end_time: SystemTime::now(),
        attributes: others,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: failed.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("distrifs").build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_requests_is_traced_the_same_at_all_servers() {
        let traced = |share| (0..10_000).filter(|&id| is_of_share(id, share)).count();
        assert_eq!(traced(1.0), 10_000);
        assert!((400..600).contains(&traced(0.05)), "{}", traced(0.05));
        assert!(
            (0..1_000).all(|id| !is_of_share(id, 0.1) || is_of_share(id, 0.5)),
            "who traces more traces what the others trace"
        );
    }

    #[test]
    fn servers_are_children_of_who_asked() {
        let begun = |id| Begun {
            at: SystemTime::now(),
            fields: Fields {
                id,
                operation: Some("create".to_owned()),
                failed: Some("no".to_owned()),
                ..Fields::default()
            },
        };
        let (asked, served) = (ended(begun(9), true), ended(begun(9), false));
        assert_eq!(asked.span_context.trace_id(), served.span_context.trace_id());
        assert_eq!(served.parent_span_id, asked.span_context.span_id());
        assert_eq!(asked.parent_span_id, SpanId::INVALID);
        assert_eq!((&*served.name, served.status), ("create", Status::error("no")));
        let alone = ended(begun(0), false);
        assert_eq!(alone.parent_span_id, SpanId::INVALID);
        assert_ne!(alone.span_context.trace_id(), 0.into());
    }
}
