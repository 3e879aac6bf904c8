use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::{Environment, ErrorKind, Value, context};
use qsef_core::{Error, Message, Part, Result, Tool};

use crate::tools::conversation;

/// What is used where a file brings no template of its own.
const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A model's chat template: messages to the prompt text it was trained on.
pub struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    /// Whether it takes contents as lists of parts only, as some models for images have it.
    typed: bool,
}

impl Template {
    /// Compiles a template in Jinja, with what `transformers` gives templates. `bos` and `eos` are the texts of these tokens.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for one that is no Jinja.
    pub fn new(source: Option<&str>, bos: Option<String>, eos: Option<String>) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", |format: &str| strftime(format, now()));
        environment
            .add_template_owned("chat", source.unwrap_or(CHATML).to_owned())
            .map_err(|e| Error::ModelFile(format!("the model's chat template is damaged: {e}")))?;
        let mut template =
            Self { environment, bos: bos.unwrap_or_default(), eos: eos.unwrap_or_default(), typed: false };
        let shows = |template: &Self| {
            let made = template.render(&[Message::user("probe")], &[], true, |_| Ok("probe".into()));
            made.is_ok_and(|text| text.contains("probe"))
        };
        if !shows(&template) {
            template.typed = true;
            template.typed = shows(&template);
        }
        Ok(template)
    }

    /// Renders messages and what tools are offered, each part as `part` makes it; `answer` adds the beginning of the model's own
    /// next message.
    ///
    /// # Errors
    /// [`Error::Input`] for a conversation that the template refuses, and those of `part`.
    pub fn render(
        &self,
        messages: &[Message],
        tools: &[Tool],
        answer: bool,
        part: impl Fn(&Part) -> Result<String>,
    ) -> Result<String> {
        let messages = conversation(messages, tools, part)?.into_iter().map(|said| {
            let content = if self.typed {
                said.parts.into_iter().map(|text| context! { type => "text", text }).collect()
            } else {
                Value::from(said.parts.concat())
            };
            context! { role => said.role, content }
        });
        let messages: Vec<Value> = messages.collect();
        self.environment
            .get_template("chat")
            .and_then(|template| {
                template.render(context! {
                    messages, add_generation_prompt => answer, bos_token => self.bos, eos_token => self.eos,
                })
            })
            .map_err(|e| Error::Input(format!("the model's chat template refuses this conversation: {e}")))
    }
}

/// The text of a part, for models that read nothing else.
///
/// # Errors
/// [`Error::Input`] for a part that is not text.
pub fn text(part: &Part) -> Result<&str> {
    let kind = match part {
        Part::Text(text) => return Ok(text),
        Part::Image(_) => "an image",
        Part::Audio(_) => "sound",
        _ => "something else",
    };
    Err(Error::Input(format!("this model reads text only; a message has {kind} in it")))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The date formats that chat templates use, in UTC.
fn strftime(format: &str, seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    // Days since 1 March of the year 0, in eras of 400 years (Hinnant's civil_from_days).
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let name = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    format
        .replace("%Y", &year.to_string())
        .replace("%m", &format!("{month:02}"))
        .replace("%d", &format!("{day:02}"))
        .replace("%B", name)
        .replace("%b", name.get(..3).unwrap_or_default())
        .replace("%H", &format!("{:02}", seconds / 3_600 % 24))
        .replace("%M", &format!("{:02}", seconds / 60 % 60))
        .replace("%S", &format!("{:02}", seconds % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(strftime("%d %b %Y %H:%M:%S", 1_709_210_096), "29 Feb 2024 12:34:56");
        assert_eq!(strftime("%B %d, %Y", 0), "January 01, 1970");
    }

    #[test]
    fn python_methods_and_refusals() {
        let render = |source: &str| {
            Template::new(Some(source), Some("<s>".into()), None).unwrap().render(
                &[Message::user(" hi ")],
                &[],
                true,
                |part| text(part).map(str::to_owned),
            )
        };
        assert_eq!(
            render("{{ bos_token }}{{ messages[0]['content'].strip() }}{% if tools %}x{% endif %}").unwrap(),
            "<s>hi"
        );
        let error = render("{{ raise_exception('roles must alternate') }}").unwrap_err();
        assert!(error.to_string().contains("roles must alternate"), "{error}");
        let typed = "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}";
        assert_eq!(render(typed).unwrap(), " hi ");
    }
}
