//! The conformance suite against llama.cpp's server. Ignored: it needs `QSEF_LLAMA_PYTHON`, a Python that has the wheel xllamacpp, and
//! `QSEF_LLAMA_GGUF`, a small chat model.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use qsef_core::{AnyEmbedder, AnyModel, Message, Request, test_util::conformance};
use qsef_openai::{Client, Endpoint, OpenAiEmbedder, OpenAiModel, Settings};

struct Server(Child, String);

impl Server {
    fn start(kind: &str) -> Self {
        let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/llama_cpp.py");
        let mut python = Command::new(variable("QSEF_LLAMA_PYTHON"));
        let command = python.args([script, kind, &variable("QSEF_LLAMA_GGUF")]);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pipes.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http"))).unwrap();
        Self(child, address)
    }

    fn client(&self) -> Client {
        Client::new(Settings::new(Endpoint::new(&format!("{}/v1", self.1)).unwrap())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with xllamacpp and a GGUF file"]
async fn a_model_behind_llama_cpp_conforms() {
    let server = Server::start("chat");
    let model = AnyModel::new(OpenAiModel::new(server.client(), "qwen"));
    for (case, outcome) in conformance::model(&model).await {
        assert_eq!(outcome, Ok(()), "{case}");
    }
    let mut request = Request::new(vec![Message::user("Say hello.")]).max_tokens(4);
    request.top_logprobs = 2;
    let made = model.generate(request).await.unwrap();
    assert!(made.logprobs.len() >= 3 && made.logprobs.iter().all(|token| token.top.len() == 2), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with xllamacpp and a GGUF file"]
async fn an_embedder_behind_llama_cpp_conforms() {
    let server = Server::start("embed");
    let embedder = OpenAiEmbedder::open(server.client(), "qwen").await.unwrap();
    for (case, outcome) in conformance::embedder(&AnyEmbedder::new(embedder)).await {
        assert_eq!(outcome, Ok(()), "{case}");
    }
}
