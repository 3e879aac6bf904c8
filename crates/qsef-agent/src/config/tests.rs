use qsef_core::test_util::ScriptedModel;

use super::*;

fn models(_: &str) -> Result<AnyModel> {
    Ok(AnyModel::new(ScriptedModel::answers(["hello"])))
}

/// Without a knowledge base.
const NONE: &MakeLibrarian<'_> = &|_, _, _| Ok(None);

const HEAD: &str = "name = \"a\"\nmodel = \"m\"\nembedder = \"e\"\n";

fn error(rest: &str) -> String {
    AgentConfig::parse(&format!("{HEAD}{rest}"), Path::new("a.toml")).unwrap_err().to_string()
}

#[test]
fn the_builtin_agent_builds() {
    let config = AgentConfig::builtin().unwrap();
    let librarian = |_: &ExpertConfig, profile: ExpertProfile, model| {
        let (system_prompt, output) = (String::new(), Produces::Text);
        Ok(Some(AnyExpert::new(ModelExpert { profile, model, system_prompt, output })))
    };
    let experts = build(&config, &models, &librarian).unwrap();
    assert_eq!(experts.len(), config.experts.len());
    // Without a knowledge base there is no librarian.
    assert_eq!(build(&config, &models, NONE).unwrap().len(), experts.len() - 1);
    for expert in &experts {
        assert!((6..=10).contains(&expert.profile().examples.len()), "{}", expert.profile().id);
    }
}

#[test]
fn errors_name_line_and_field() {
    let count = "[[experts]]\nid = \"c\"\nkind = \"count\"\ndescription = \"d\"\n";
    for (text, parts) in [
        ("", vec!["experts", "no expert"]),
        (
            "[[experts]]\nid = \"c\"\nkind = \"cuont\"\ndescription = \"d\"",
            vec!["a.toml:6", "kind", "calculate", "model"],
        ),
        ("[[experts]]\nid = \"c\"\nkind = \"count\"\ndescription = \" \"", vec!["a.toml:7", "description", "empty"]),
        ("[[experts]]\nid = \"c\"\nkind = \"count\"", vec!["a.toml:4", "description"]),
        ("[[experts]]\nid = \"c\"\nsize = 1", vec!["a.toml:6", "size", "usd_per_mtok"]),
        ("[[experts]]\nid = \"c\"\nkind = \"model\"\ndescription = \"d\"", vec!["a.toml:5", "(model)"]),
        ("x = = 1", vec!["a.toml:4"]),
        (&format!("{count}{count}"), vec!["a.toml:9", "(id)", "line 5"]),
        (&format!("{count}params_b = nan"), vec!["params_b"]),
        (&format!("{count}prompt = \"code\""), vec!["(prompt)"]),
        (&format!("{count}pieces = 3"), vec!["(pieces)", "librarian"]),
        (
            "[[experts]]\nid = \"l\"\nkind = \"librarian\"\nmodel = \"m\"\ndescription = \"d\"\nleast_support = 2",
            vec!["a.toml:5", "(least_support)", "0 to 1"],
        ),
        ("[[experts]]\nid = \"l\"\nkind = \"librarian\"\ndescription = \"d\"", vec!["(model)"]),
        (&format!("{count}timeout_s = 0"), vec!["a.toml:8", "(timeout_s)", "above 0"]),
        (&format!("{count}max_concurrent = 0"), vec!["a.toml:8", "max_concurrent"]),
        (&format!("{count}takes = [\n  \"text\",\n  \"jsn\",\n]"), vec!["a.toml:10", "(takes)", "markdown_table"]),
        (&format!("{count}gives = [\"json\"]"), vec!["a.toml:8", "(gives)", "number", "not JSON"]),
        (&format!("{count}requires = [\"\"]"), vec!["a.toml:8", "(requires)", "order id"]),
        (&format!("{count}provides = \"text\""), vec!["a.toml:8", "(provides)"]),
        (&format!("{count}provides = [\"42\"]"), vec!["a.toml:8", "(provides)", "order id"]),
        (&format!("{count}parameters = {{ type = \"list\" }}"), vec!["a.toml:8", "(parameters)", "object"]),
        (&format!("{count}[experts.parameters]\nproperties = {{}}"), vec!["a.toml:8", "(parameters)", "object"]),
    ] {
        let message = error(text);
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[test]
fn servers_have_a_name_and_one_way_to_them() {
    let text = format!(
        r#"{HEAD}
        [[mcp]]
        name = "files"
        command = "mcp-files"
        args = ["--root", "."]
        pass_env = ["TOKEN"]
        allow = ["read", "write"]
        [mcp.tools.write]
        effects = "external"
        requires_approval = true
        usd_per_mtok = 2.5

        [[mcp]]
        name = "web"
        url = "https://example.org/mcp"
        token_env = "TOKEN"
        timeout_s = 5
        "#
    );
    let config = AgentConfig::parse(&text, Path::new("a.toml")).unwrap();
    let [files, web] = config.mcp.as_slice() else { panic!("{:?}", config.mcp) };
    assert_eq!((files.name(), files.timeout_s, web.timeout_s), ("files", 60.0, 5.0));
    let write = &files.tools["write"];
    assert_eq!(
        (write.effects, write.requires_approval, write.usd_per_mtok),
        (Some(Effects::External), Some(true), 2.5)
    );
    let server = "[[mcp]]\nname = \"x\"\ncommand = \"c\"\n";
    for (text, parts) in [
        ("[[mcp]]\nname = \"a.b\"\ncommand = \"c\"", vec!["a.toml:5", "(name)", "letters"]),
        ("[[mcp]]\nname = \"x\"", vec!["(command)", "`url`"]),
        (&format!("{server}url = \"http://x\""), vec!["(url)", "not both"]),
        (&format!("{server}token_env = \"T\""), vec!["(token_env)", "pass_env"]),
        (&format!("{server}timeout_s = 0"), vec!["(timeout_s)", "above 0"]),
        (&format!("{server}tool = 1"), vec!["a.toml:7", "tool"]),
        (&format!("{server}[mcp.tools.t]\neffects = \"some\""), vec!["a.toml:8", "effects", "external"]),
        (&format!("{server}[mcp.tools.t]\nusd_per_mtok = -1"), vec!["(usd_per_mtok)"]),
        (&format!("{server}[mcp.tools.t]\nrequires = [\"7\"]"), vec!["(tools)", "order id"]),
        (&format!("{server}{server}"), vec!["a.toml:8", "(name)", "line 5"]),
        ("[[mcp]]\nname = \"x\"\nurl = \"ftp://x\"", vec!["(url)", "https://"]),
        ("[[mcp]]\nname = \"x\"\nurl = \"http://x\"\nargs = [\"a\"]", vec!["(url)", "args"]),
        (&format!("fallback = \"x.tool\"\n{server}"), vec!["(fallback)", "[[experts]]"]),
    ] {
        let message = error(text);
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[test]
fn experts_say_what_they_take_and_give() {
    let text = format!(
        r#"{HEAD}
        [[experts]]
        id = "orders"
        kind = "model"
        model = "m"
        prompt = "general"
        description = "Tells where the orders of a customer are."
        takes = ["json", {{ code = "sql" }}]
        gives = ["json"]
        requires = ["customer id"]
        provides = ["order id", "date"]
        parameters = {{ type = "object", properties = {{ customer_id = {{ type = "integer" }} }} }}

        [[experts]]
        id = "count"
        kind = "count"
        description = "Counts."
        "#
    );
    let experts = build(&AgentConfig::parse(&text, Path::new("a.toml")).unwrap(), &models, NONE).unwrap();
    let [orders, count] = experts.as_slice() else { panic!("{} experts", experts.len()) };
    let orders = orders.profile();
    assert_eq!(orders.takes, [Format::Json, Format::Code("sql".into())]);
    assert_eq!((&orders.gives, &count.profile().gives), (&vec![Format::Json], &vec![Format::Number]));
    assert_eq!(
        (orders.requires.len(), orders.provides.as_slice()),
        (1, ["order id", "date"].map(String::from).as_slice())
    );
    let parameters = serde_json::json!({"type": "object", "properties": {"customer_id": {"type": "integer"}}});
    assert_eq!(orders.parameters, Some(parameters));
}

#[test]
fn a_prompt_file_lies_beside_the_agent() {
    let dir = std::env::temp_dir().join(format!("qsef-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("a.toml");
    let expert = "[[experts]]\nid = \"m\"\nkind = \"model\"\ndescription = \"d\"\nmodel = \"m\"\nprompt = \"p.md\"\n";
    std::fs::write(&path, format!("{HEAD}{expert}")).unwrap();
    let config = AgentConfig::load(&path).unwrap();
    assert!(build(&config, &models, NONE).unwrap_err().to_string().contains("p.md"));
    std::fs::write(dir.join("p.md"), "Be kind.").unwrap();
    assert_eq!(build(&config, &models, NONE).unwrap().len(), 1);
    assert!(AgentConfig::load(&dir.join("none.toml")).is_err());
    std::fs::remove_dir_all(dir).unwrap();
}
