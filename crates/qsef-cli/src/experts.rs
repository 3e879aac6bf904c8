use qsef::{AgentConfig, ExpertProfile, Result};
use serde_json::json;

use crate::{
    End,
    args::Experts,
    models,
    screen::{self, BOLD, DIM, styled},
};

fn profiles(config: &AgentConfig) -> Result<Vec<ExpertProfile>> {
    let models = models::all()?;
    let experts = qsef::build_experts(config, &|name| models.model(name))?;
    Ok(experts.iter().map(|e| e.profile().clone()).collect())
}

pub fn run(args: Experts) -> Result<End> {
    match args {
        Experts::List { agent, json } => {
            let config = models::agent(&agent)?;
            if json {
                screen::json(&json!({"agent": config.name, "experts": profiles(&config)?}))?;
            } else {
                for profile in profiles(&config)? {
                    screen::print(&format!("{:14} {}\n", styled(BOLD, &profile.id), profile.description));
                }
            }
        }
        Experts::Show { id, agent } => {
            let config = models::agent(&agent)?;
            let profiles = profiles(&config)?;
            let profile = profiles.iter().find(|p| p.id == id).ok_or_else(|| {
                let ids: Vec<&str> = profiles.iter().map(|p| p.id.as_str()).collect();
                qsef::Error::Input(format!("the agent has no expert `{id}`; it has {}", ids.join(", ")))
            })?;
            screen::print(&format!("{}\n{}\n", styled(BOLD, &profile.id), profile.description));
            for example in &profile.examples {
                screen::print(&format!("  {}\n", styled(DIM, example)));
            }
        }
        Experts::Check { file } => {
            let config = AgentConfig::load(&file)?;
            let count = profiles(&config)?.len();
            screen::print(&format!("{} is right: {count} experts\n", file.display()));
        }
    }
    Ok(End::Done)
}
