//! The batch protocol: one JSON request a line, one JSON answer a line.

use std::io::{BufRead, Write};

use ostler_base::{Error, Json, Result, json::json};

use crate::{Kept, run};

/// Answers requests until the input ends; the exit status. A command that panics fails its case only.
pub(crate) fn serve(input: impl BufRead, mut output: impl Write) -> u8 {
    let mut kept = Kept::default();
    for line in input.lines() {
        let Ok(line) = line else { return 1 };
        if line.trim().is_empty() {
            continue;
        }
        let answer = answer(&line, &mut kept);
        if writeln!(output, "{answer}").and_then(|()| output.flush()).is_err() {
            return 1;
        }
    }
    0
}

fn answer(line: &str, kept: &mut Kept) -> Json {
    let request: Json = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => {
            return json!({"id": null, "ok": false, "error": format!("not a JSON request: {error}")});
        }
    };
    let result = words(&request).and_then(|(command, arguments)| run(&command, &arguments, kept));
    match result {
        Ok(output) => json!({"id": request["id"], "ok": true, "output": output}),
        Err(error) => json!({"id": request["id"], "ok": false, "error": error.to_string()}),
    }
}

fn words(request: &Json) -> Result<(String, Vec<String>)> {
    let command = request["suite"].as_str().ok_or_else(|| Error::invalid_arg("request without 'suite'"))?;
    let arguments = request["args"].as_array().ok_or_else(|| Error::invalid_arg("request without 'args'"))?;
    let arguments = arguments.iter().map(|a| a.as_str().unwrap_or_default().to_owned()).collect();
    Ok((command.to_owned(), arguments))
}

#[cfg(test)]
mod tests {
    #[test]
    fn bad_requests_are_answered() {
        let mut output = Vec::new();
        super::serve("{\"id\":1,\"suite\":\"nosuch\",\"args\":[]}\nrubbish\n".as_bytes(), &mut output);
        let text = String::from_utf8(output).unwrap();
        assert!(
            text.starts_with(
                "{\"id\":1,\"ok\":false,\"error\":\"invalid argument: unknown command 'nosuch'\"}\n"
            ),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2);
    }
}
