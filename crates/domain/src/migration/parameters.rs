//! Parameters of QEMU's migration: what it tells, what it is told, and how they are kept meanwhile.

use ostler_base::{Error, Json, JsonMap, Result, Word, words};
use ostler_xml::{El, Element};

words! {
    /// A parameter, by QEMU's name; in the order in which they are kept.
    pub Parameter {
        CompressLevel = "compress-level", CompressThreads = "compress-threads",
        DecompressThreads = "decompress-threads", CpuThrottleInitial = "cpu-throttle-initial",
        CpuThrottleIncrement = "cpu-throttle-increment", TlsCreds = "tls-creds",
        TlsHostname = "tls-hostname", MaxBandwidth = "max-bandwidth", DowntimeLimit = "downtime-limit",
        BlockIncremental = "block-incremental", XbzrleCacheSize = "xbzrle-cache-size",
        MaxPostcopyBandwidth = "max-postcopy-bandwidth", MultifdChannels = "multifd-channels",
        MultifdCompression = "multifd-compression", MultifdZlibLevel = "multifd-zlib-level",
        MultifdZstdLevel = "multifd-zstd-level",
        AvailSwitchoverBandwidth = "avail-switchover-bandwidth",
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// Yes or no.
    Truth(bool),
    /// Words.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number(u64),
    Truth,
    Text,
}

impl Parameter {
    fn kind(self) -> Kind {
        match self {
            Parameter::TlsCreds | Parameter::TlsHostname | Parameter::MultifdCompression => Kind::Text,
            Parameter::BlockIncremental => Kind::Truth,
            Parameter::MaxBandwidth
            | Parameter::DowntimeLimit
            | Parameter::XbzrleCacheSize
            | Parameter::MaxPostcopyBandwidth
            | Parameter::AvailSwitchoverBandwidth => Kind::Number(u64::MAX),
            Parameter::CompressLevel
            | Parameter::CompressThreads
            | Parameter::DecompressThreads
            | Parameter::CpuThrottleInitial
            | Parameter::CpuThrottleIncrement
            | Parameter::MultifdChannels
            | Parameter::MultifdZlibLevel
            | Parameter::MultifdZstdLevel => Kind::Number(i32::MAX as u64),
        }
    }
}

/// Parameters that have a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(Parameter, Value)>);

impl Parameters {
    /// The value of a parameter.
    pub fn get(&self, parameter: Parameter) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == parameter).map(|(_, value)| value)
    }

    /// Gives a parameter a value.
    pub fn set(&mut self, parameter: Parameter, value: Value) {
        self.0.retain(|(known, _)| *known != parameter);
        let place = self.0.partition_point(|(known, _)| *known < parameter);
        self.0.insert(place, (parameter, value));
    }

    /// From the answer to `query-migrate-parameters`; what is not known, or of another type, is left.
    pub fn from_reply(reply: &Json) -> Self {
        let mut out = Parameters::default();
        for (name, parameter) in Parameter::WORDS {
            let value = reply.get(name).and_then(|value| match parameter.kind() {
                Kind::Number(most) => value.as_u64().filter(|n| *n <= most).map(Value::Number),
                Kind::Truth => value.as_bool().map(Value::Truth),
                Kind::Text => value.as_str().map(|text| Value::Text(text.to_owned())),
            });
            out.0.extend(value.map(|value| (*parameter, value)));
        }
        out
    }

    /// The arguments of `migrate-set-parameters`.
    pub fn to_json(&self) -> Json {
        let member = |(parameter, value): &(Parameter, Value)| {
            let value = match value {
                Value::Number(number) => Json::from(*number),
                Value::Truth(truth) => Json::from(*truth),
                Value::Text(text) => Json::from(text.as_str()),
            };
            (parameter.as_str().to_owned(), value)
        };
        Json::Object(self.0.iter().map(member).collect::<JsonMap>())
    }

    /// Reads `<migParams>` of a status file.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let mut out = Parameters::default();
        for param in el.children("param") {
            let name =
                param.attr("name").ok_or_else(|| Error::internal("missing migration parameter name"))?;
            let parameter = Parameter::parse(name)
                .ok_or_else(|| Error::internal(format!("unknown migration parameter '{name}'")))?;
            let text = param
                .attr("value")
                .ok_or_else(|| Error::internal(format!("missing value for migration parameter '{name}'")))?;
            let value = match parameter.kind() {
                Kind::Number(most) => text.parse().ok().filter(|n| *n <= most).map(Value::Number),
                Kind::Truth => ostler_base::YesNo::parse(text).map(|truth| Value::Truth(truth.is_true())),
                Kind::Text => Some(Value::Text(text.to_owned())),
            };
            let value = value.ok_or_else(|| {
                Error::internal(format!("invalid value '{text}' for migration parameter '{name}'"))
            })?;
            out.set(parameter, value);
        }
        Ok(out)
    }

    /// `<migParams>`
    pub fn to_el(&self) -> El {
        let mut el = El::new("migParams");
        for (parameter, value) in &self.0 {
            let param = El::new("param").attr("name", parameter);
            el.push(match value {
                Value::Number(number) => param.attr("value", number),
                Value::Truth(truth) => param.attr("value", ostler_base::YesNo::from(*truth)),
                Value::Text(text) => param.attr("value", text),
            });
        }
        el
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn what_is_of_another_type_is_left() {
        let reply = json!({"downtime-limit": 300, "multifd-channels": -1, "tls-creds": 5, "new": 1});
        let parameters = Parameters::from_reply(&reply);
        assert_eq!(parameters.to_json(), json!({"downtime-limit": 300}));
        assert_eq!(parameters.get(Parameter::DowntimeLimit), Some(&Value::Number(300)));
        assert_eq!(parameters.get(Parameter::TlsCreds), None);
    }

    #[test]
    fn the_order_is_fixed() {
        let mut parameters = Parameters::default();
        parameters.set(Parameter::MaxBandwidth, Value::Number(1));
        parameters.set(Parameter::TlsCreds, Value::Text(String::new()));
        parameters.set(Parameter::MaxBandwidth, Value::Number(2));
        assert_eq!(parameters.to_json().to_string(), r#"{"tls-creds":"","max-bandwidth":2}"#);
    }
}
