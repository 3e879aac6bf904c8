use qsef_core::{ExpertProfile, Modality};

/// What a subtask asks of any expert that may do it (paper, section 6.4.2, step 1).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Need {
    /// The kind of knowledge, `K_t` in the paper, as a tag such as "law". `None`: any.
    pub domain: Option<String>,
    /// The signals of its inputs; an expert has to accept each. Empty: nothing to accept.
    pub modalities: Vec<Modality>,
}

impl Need {
    /// Whether an expert may be asked. An expert without domains knows a bit of everything; tags are compared without
    /// regard to case and surrounding space.
    pub fn met_by(&self, profile: &ExpertProfile) -> bool {
        let tag = |text: &str| text.trim().to_lowercase();
        let knows = self.domain.as_deref().is_none_or(|needed| {
            profile.domains.is_empty() || profile.domains.iter().any(|domain| tag(domain) == tag(needed))
        });
        knows && self.modalities.iter().all(|m| profile.accepts.contains(m))
    }
}

/// The experts that may be asked, in their order: `S_candidate` in the paper.
pub fn candidates<'a>(
    profiles: impl IntoIterator<Item = &'a ExpertProfile>,
    need: &Need,
) -> impl Iterator<Item = &'a ExpertProfile> {
    profiles.into_iter().filter(|profile| need.met_by(profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_modalities_filter() {
        let law = ExpertProfile::new("law", "Reads contracts").domains(["Law"]);
        let any = ExpertProfile::new("any", "Does anything");
        let mut eye = ExpertProfile::new("eye", "Sees").domains(["law", "art"]);
        eye.accepts.push(Modality::Image);
        let all = [law, any, eye];
        let ids = |domain: Option<&str>, modalities: &[Modality]| {
            let need = Need { domain: domain.map(Into::into), modalities: modalities.into() };
            candidates(&all, &need).map(|p| p.id.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, &[]), ["law", "any", "eye"]);
        assert_eq!(ids(Some(" LAW"), &[Modality::Text]), ["law", "any", "eye"]);
        assert_eq!(ids(Some("art"), &[]), ["any", "eye"]);
        assert_eq!(ids(Some("law"), &[Modality::Text, Modality::Image]), ["eye"]);
        assert!(ids(None, &[Modality::Audio]).is_empty());
    }
}
