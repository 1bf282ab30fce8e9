//! Background jobs: `query-jobs`.

use ostler_base::{Error, Json, Result};

use super::{entries, text};

/// A job, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Its name.
    pub id: String,
    /// What it does: `commit`, `create`, …
    pub kind: String,
    /// Where it is: `running`, `concluded`, …
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// How far it is, in units of its own.
    pub done: u64,
    /// How far it has to go, as far as is known.
    pub total: u64,
}

/// Reads what `query-jobs` returns.
pub fn read(reply: &Json) -> Result<Vec<JobInfo>> {
    entries(reply, "query-jobs")?
        .map(|item| {
            let need = |key: &str| {
                text(item, key)
                    .ok_or_else(|| Error::internal(format!("query-jobs reply data was missing '{key}'")))
            };
            Ok(JobInfo {
                id: need("id")?,
                kind: need("type")?,
                status: need("status")?,
                error: text(item, "error"),
                done: item["current-progress"].as_u64().unwrap_or_default(),
                total: item["total-progress"].as_u64().unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn jobs() {
        let reply =
            json!([{"id": "a", "type": "create", "status": "concluded", "total-progress": 1, "error": "e"}]);
        let jobs = read(&reply).unwrap();
        assert_eq!((jobs[0].error.as_deref(), jobs[0].done, jobs[0].total), (Some("e"), 0, 1));
        assert!(read(&json!([{"id": "a"}])).is_err());
        assert!(read(&json!({})).is_err());
    }
}
