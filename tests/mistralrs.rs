//! Models on mistral.rs by name.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use qsef::{Error, Message, Models, Request};

#[tokio::test]
async fn a_name_opens_a_model() {
    let models = Models::open(|_| {}).unwrap();
    let name = "mistralrs:qwen2.5-coder-0.5b";
    let model = models.model(name).unwrap();
    assert_eq!((model.info().name.as_str(), model.info().context_tokens), (name, 32_768));
    let request = Request::new(vec![Message::user("What is the capital of France?")]).max_tokens(16);
    let text = model.generate(request).await.unwrap().text;
    assert!(text.contains("Paris"), "{text}");
}

#[test]
fn what_is_no_model_is_said_at_once() {
    let models = Models::open(|_| {}).unwrap();
    for (name, says) in [
        ("mistralrs:nothing-of-that-name", "nothing-of-that-name"),
        ("mistralrs:./absent.gguf", "there is no file ./absent.gguf"),
        ("mistralrs:all-minilm-l6-v2", "no language model"),
    ] {
        let error = models.model(name).unwrap_err();
        assert!(matches!(&error, Error::Input(m) if m.contains(says)), "{error}");
    }
}
