//! A batch of requests within one budget: each gets what those before it left, and what does not fit any more is told.
//!
//!     cargo run --release -p qsef --example batch -- 2000 < requests.txt

use std::io::{IsTerminal, read_to_string};

use qsef::prelude::*;

const REQUESTS: &str = "\
What is 15% of 240 km in miles?
Count the words in \"to be or not to be\". Then sort these words: pear, apple, fig.
Sort these lines: b, a, c. Then count the words in \"one two\".
Multiply 1234 by 56";

#[tokio::main]
async fn main() -> Result<()> {
    let mut left: u64 = match std::env::args().nth(1) {
        Some(tokens) => tokens.parse().map_err(|_| Error::Input(format!("`{tokens}` is no number of tokens")))?,
        None => 900,
    };
    let mut requests = REQUESTS.to_owned();
    if !std::io::stdin().is_terminal() {
        let given = read_to_string(std::io::stdin()).map_err(|e| Error::Input(e.to_string()))?;
        requests = if given.trim().is_empty() { requests } else { given };
    }
    let models = Models::open(|_| {})?;
    let mut agent = AgentConfig::builtin()?;
    agent.model = "qwen2.5-coder-0.5b".into();
    let hub = open_agent(&agent, &models).await?;
    for request in requests.lines().filter(|line| !line.trim().is_empty()) {
        let mut options = RunOptions::default();
        options.budget.tokens = Some(left);
        match hub.run(request, options).await {
            Ok(report) => {
                // A call is refused when what it will read is counted; what was used is known after it.
                left = left.saturating_sub(report.usage.prompt_tokens + report.usage.completion_tokens);
                let state = report.exhausted.map(|limit| format!(" (stopped: {limit})")).unwrap_or_default();
                println!("{request}\n  {}{state}\n  {left} tokens left", report.answer.replace('\n', "\n  "));
            }
            Err(Error::Budget(why)) => println!("{request}\n  not done: {why}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
