//! Real models are forbidden in this process: nothing is fetched, loaded or called, whatever the backend.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use std::path::Path;

use qsef::{CandleEmbedder, CandleModel, Error, Message, Models, Request};

fn assert_forbidden<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Vetoed(_)) && error.to_string().contains("forbid_real_models()"), "{error}");
}

#[tokio::test]
async fn every_backend_refuses() {
    qsef::forbid_real_models();
    let models = Models::open(|event| panic!("{event:?}")).unwrap();
    let request = Request::new(vec![Message::user("Hello")]);
    // A model of the manifest, which would be fetched.
    assert_forbidden(models.model("smollm2-135m").unwrap().generate(request.clone()).await);
    assert_forbidden(models.embedder(qsef::DEFAULT_EMBEDDER).await);
    assert_forbidden(CandleModel::load("m", Path::new("none.gguf")));
    assert_forbidden(CandleEmbedder::load("e", Path::new("none")).map(|_| ()));
    #[cfg(feature = "openai")]
    {
        use qsef::openai::{Client, Endpoint, OpenAiEmbedder, OpenAiModel, Settings};
        let client = Client::new(Settings::new(Endpoint::new("http://127.0.0.1:9/v1").unwrap())).unwrap();
        assert_forbidden(qsef::AnyModel::new(OpenAiModel::new(client.clone(), "gpt-4o")).generate(request).await);
        assert_forbidden(OpenAiEmbedder::open(client, "e").await);
    }
}
