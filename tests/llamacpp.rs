//! Models on llama.cpp by name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use qsef::{Error, Message, Models, Request};

const SMALL: &str = "qwen2.5-coder-0.5b";

#[tokio::test]
async fn names_and_files_open_the_same_model() {
    let models = Models::open(|_| {}).unwrap();
    let dir = models.fetch(SMALL).await.unwrap();
    let file =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "gguf"));
    let mut texts = Vec::new();
    for name in [format!("llamacpp:{SMALL}"), format!("llamacpp:{}", file.unwrap().display())] {
        let model = models.model(&name).unwrap();
        assert_eq!((model.info().name.as_str(), model.info().context_tokens), (name.as_str(), 8192));
        let request = Request::new(vec![Message::user("What is the capital of France?")]).max_tokens(16);
        texts.push(model.generate(request).await.unwrap().text);
    }
    assert!(texts[0].contains("Paris") && texts[0] == texts[1], "{texts:?}");
}

#[test]
fn what_is_no_model_is_said_at_once() {
    let models = Models::open(|_| {}).unwrap();
    for (name, says) in [
        ("llamacpp:nothing-of-that-name", "nothing-of-that-name"),
        ("llamacpp:./absent.gguf", "there is no file ./absent.gguf"),
        ("llamacpp:all-minilm-l6-v2", "no language model"),
    ] {
        let error = models.model(name).unwrap_err();
        assert!(matches!(&error, Error::Input(m) if m.contains(says)), "{error}");
    }
}
