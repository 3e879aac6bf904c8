//! Models of random weights in directories, as hub repositories have them: a Llama, and a LLaVA that looks at images with it. What they
//! write means nothing; that they are loaded, read and answer is what is tried.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use serde_json::{Value, json};

const WIDTH: usize = 32;
const INNER: usize = 64;
/// 256 bytes and three names.
const WORDS: usize = 259;
const SIDE: usize = 16;
const PATCH: usize = 8;

/// Writes a Llama to a directory.
pub fn llama(dir: &Path) {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": WIDTH,
        "intermediate_size": INNER, "vocab_size": WORDS, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 1024,
        "tie_word_embeddings": false, "torch_dtype": "float32"
    });
    write(dir, &config, &text(""));
}

/// Writes a LLaVA to a directory.
pub fn llava(dir: &Path) {
    let config = json!({
        "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "projector_hidden_act": "gelu",
        "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "image_token_index": 258,
        "torch_dtype": "float32",
        "text_config": {
            "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": INNER, "max_length": 1024,
            "max_position_embeddings": 1024, "num_attention_heads": 2, "num_hidden_layers": 2, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5, "vocab_size": WORDS
        },
        "vision_config": {
            "hidden_size": WIDTH, "image_size": SIDE, "intermediate_size": INNER, "num_attention_heads": 2,
            "num_hidden_layers": 2, "patch_size": PATCH
        }
    });
    let preprocessor = json!({
        "do_center_crop": true, "crop_size": {"height": SIDE, "width": SIDE}, "do_resize": true,
        "size": {"shortest_edge": SIDE}, "do_rescale": true, "rescale_factor": 1.0 / 255.0, "do_normalize": true, "resample": 3
    });
    std::fs::write(dir.join("preprocessor_config.json"), preprocessor.to_string()).unwrap();
    let mut shapes = text("language_model.");
    let mut add = |name: &str, shape: &[usize]| shapes.push((name.to_owned(), shape.to_vec()));
    let mut both = |name: &str, shape: &[usize]| {
        add(&format!("{name}.weight"), shape);
        add(&format!("{name}.bias"), &shape[..1]);
    };
    both("multi_modal_projector.linear_1", &[WIDTH, WIDTH]);
    both("multi_modal_projector.linear_2", &[WIDTH, WIDTH]);
    let tower = "vision_tower.vision_model";
    for norm in ["pre_layrnorm", "post_layernorm"] {
        both(&format!("{tower}.{norm}"), &[WIDTH]);
    }
    for layer in 0..2 {
        let layer = format!("{tower}.encoder.layers.{layer}");
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            both(&format!("{layer}.self_attn.{name}"), &[WIDTH, WIDTH]);
        }
        both(&format!("{layer}.mlp.fc1"), &[INNER, WIDTH]);
        both(&format!("{layer}.mlp.fc2"), &[WIDTH, INNER]);
        both(&format!("{layer}.layer_norm1"), &[WIDTH]);
        both(&format!("{layer}.layer_norm2"), &[WIDTH]);
    }
    let patches = (SIDE / PATCH) * (SIDE / PATCH);
    add(&format!("{tower}.embeddings.class_embedding"), &[WIDTH]);
    add(&format!("{tower}.embeddings.position_embedding.weight"), &[patches + 1, WIDTH]);
    add(&format!("{tower}.embeddings.patch_embedding.weight"), &[WIDTH, 3, PATCH, PATCH]);
    write(dir, &config, &shapes);
}

/// The tensors of a Llama.
fn text(prefix: &str) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![WORDS, WIDTH]),
        ("lm_head.weight".to_owned(), vec![WORDS, WIDTH]),
        ("model.norm.weight".to_owned(), vec![WIDTH]),
    ];
    for layer in 0..2 {
        let mut add =
            |name: &str, shape: &[usize]| shapes.push((format!("model.layers.{layer}.{name}.weight"), shape.to_vec()));
        for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            add(&format!("self_attn.{name}"), &[WIDTH, WIDTH]);
        }
        add("mlp.gate_proj", &[INNER, WIDTH]);
        add("mlp.up_proj", &[INNER, WIDTH]);
        add("mlp.down_proj", &[WIDTH, INNER]);
        add("input_layernorm", &[WIDTH]);
        add("post_attention_layernorm", &[WIDTH]);
    }
    shapes.into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
}

fn write(dir: &Path, config: &Value, shapes: &[(String, Vec<usize>)]) {
    let random = |shape: &Vec<usize>| Tensor::randn(0f32, 0.3, shape.as_slice(), &Device::Cpu).unwrap();
    let tensors: HashMap<String, Tensor> = shapes.iter().map(|(name, shape)| (name.clone(), random(shape))).collect();
    candle_core::safetensors::save(&tensors, dir.join("model.safetensors")).unwrap();
    let template = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}\
                    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    let settings = json!({"chat_template": template, "eos_token": "<|im_end|>", "bos_token": null});
    for (name, value) in
        [("config.json", config), ("tokenizer_config.json", &settings), ("tokenizer.json", &tokenizer())]
    {
        std::fs::write(dir.join(name), value.to_string()).unwrap();
    }
}

/// Each byte is a token, under the letter that GPT-2's vocabulary has for it.
fn tokenizer() -> Value {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut others = 256..;
    let letters = (0..256u32).map(|byte| if printable(byte) { byte } else { others.next().unwrap() });
    let words: serde_json::Map<String, Value> =
        letters.enumerate().map(|(id, letter)| (char::from_u32(letter).unwrap().to_string(), id.into())).collect();
    let special = ["<|im_start|>", "<|im_end|>", "<image>"].iter().zip(256..).map(|(name, id)| {
        json!({"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
    });
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": special.collect::<Vec<_>>(), "pre_tokenizer": bytes, "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": words, "merges": []
        }
    })
}
