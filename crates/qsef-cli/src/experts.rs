use qsef::{AgentConfig, ExpertProfile, Result, ledger::Record};
use serde_json::{Value, json};

use crate::{
    End,
    args::Experts,
    models,
    screen::{self, BOLD, DIM, harmless, styled},
};

/// The profiles of an agent's experts; what could not be had is told on stderr.
async fn profiles(config: &AgentConfig) -> Result<Vec<ExpertProfile>> {
    let all = models::all()?;
    let (experts, warnings) = models::or_cancelled(qsef::agent_experts(config, &all)).await?;
    warnings.iter().for_each(|warning| screen::warning(harmless(warning)));
    Ok(experts.iter().map(|e| e.profile().clone()).collect())
}

fn in_words(record: &Record) -> String {
    let took = record.latency_ms.map(|ms| format!(", {:.1} s", ms / 1e3)).unwrap_or_default();
    let cost = record.usd.map(|usd| format!(", ${usd:.4}")).unwrap_or_default();
    format!("{} outcomes so far, mean score {:.2}{took}{cost} a call", record.outcomes, record.score)
}

pub async fn run(args: Experts) -> Result<End> {
    match args {
        Experts::List { agent, json } => {
            let config = models::agent(&agent)?;
            if json {
                let ledger = qsef::open_ledger()?;
                let row = |profile: ExpertProfile| {
                    let mut row = json!(profile);
                    if let (Some(record), Some(row)) = (ledger.record_of(&profile.id)?, row.as_object_mut()) {
                        row.insert("record".into(), json!(record));
                    }
                    Ok(row)
                };
                let rows: Vec<Value> = profiles(&config).await?.into_iter().map(row).collect::<Result<_>>()?;
                screen::json(&json!({"agent": config.name, "experts": rows}))?;
            } else {
                for profile in profiles(&config).await? {
                    screen::print(&format!("{:14} {}\n", styled(BOLD, &profile.id), harmless(&profile.description)));
                }
            }
        }
        Experts::Show { id, agent } => {
            let config = models::agent(&agent)?;
            let profiles = profiles(&config).await?;
            let profile = profiles.iter().find(|p| p.id == id).ok_or_else(|| {
                let ids: Vec<&str> = profiles.iter().map(|p| p.id.as_str()).collect();
                qsef::Error::Input(format!("the agent has no expert `{id}`; it has {}", ids.join(", ")))
            })?;
            screen::print(&format!("{}\n{}\n", styled(BOLD, &profile.id), profile.description));
            if let Some(record) = qsef::open_ledger()?.record_of(&profile.id)? {
                screen::print(&format!("{}\n", in_words(&record)));
            }
            if profile.is_consequential() {
                let approval = if profile.requires_approval { " after a person has agreed" } else { "" };
                screen::print(&format!("changes something in the world{approval}\n"));
            }
            if let Some(parameters) = &profile.parameters {
                screen::print(&format!("arguments: {parameters:#}\n"));
            }
            for example in &profile.examples {
                screen::print(&format!("  {}\n", styled(DIM, example)));
            }
        }
        Experts::Check { file } => {
            let config = AgentConfig::load(&file)?;
            let count = profiles(&config).await?.len();
            screen::print(&format!("{} is right: {count} experts\n", file.display()));
        }
    }
    Ok(End::Done)
}
