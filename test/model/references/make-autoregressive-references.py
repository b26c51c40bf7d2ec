"""
Makes the small autoregressive checkpoints next to this file with transformers, and the logits that it computes for them.

    python3 test/model/references/make-autoregressive-references.py        (NumPy, PyTorch, transformers 5)

Weights are random, stored as bfloat16 or f32 by transformers itself. The logits are those of transformers' own classes in double
precision, from weights that were read in f32: a model that is cast to bfloat16 and back keeps rounded rotary tables. One folder
(llama) has its configuration rewritten as transformers 4 wrote it, with `rope_theta` and `rope_scaling`. The result is the same
every time.
"""

import importlib.util
import json
import os
import shutil

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("layouts", os.path.join(HERE, "make-references.py"))
layouts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layouts)

SIZES = {
    "vocab_size": layouts.VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
# Wavelengths from 6 to some hundred positions, so that the short text here meets all three ranges of the scaling.
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, x in model.named_parameters():
            noise = torch.randn(x.shape, generator=generator)
            if name.endswith("norm.weight"):
                x.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                x.copy_(0.2 * noise)
            elif name.endswith("embed_tokens.weight"):
                x.copy_(noise)
            else:
                x.copy_(noise * 1.5 / x.shape[1] ** 0.5)


def older_fields(config):
    """`rope_parameters` as transformers 4 wrote it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    return config


def make(layout, kind, config, *, seed, dtype, older=False):
    folder = os.path.join(HERE, layout)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = kind(config)
    randomize(model, seed)
    model.to(dtype).save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    layouts.tokenizer_files(folder)
    exact = kind.from_pretrained(folder, dtype=torch.float32).double().eval()
    with torch.no_grad():
        rows = exact(torch.tensor([layouts.TOKENS])).logits[0].tolist()
    if older:
        file = os.path.join(folder, "config.json")
        with open(file, encoding="utf-8") as opened:
            content = json.load(opened)
        layouts.write_json(folder, "config.json", older_fields(content))
    with open(os.path.join(folder, "logits.json"), "w", encoding="utf-8") as file:
        lines = ",\n ".join(json.dumps([round(value, 6) for value in row]) for row in rows)
        file.write(f'{{"tokens": {json.dumps(layouts.TOKENS)},\n"logits": [\n {lines}\n]}}\n')


def main():
    make("llama", LlamaForCausalLM,
         LlamaConfig(**SIZES, rms_norm_eps=1e-5, rope_parameters={"rope_theta": 500.0, **LLAMA3}),
         seed=11, dtype=torch.bfloat16, older=True)
    make("llama-tied", LlamaForCausalLM,
         LlamaConfig(**SIZES, head_dim=12, attention_bias=True, tie_word_embeddings=True,
                     rope_parameters={"rope_theta": 100000.0, "rope_type": "default"}),
         seed=12, dtype=torch.float32)
    make("qwen2", Qwen2ForCausalLM,
         Qwen2Config(**SIZES, rope_parameters={"rope_theta": 1000000.0, "rope_type": "linear", "factor": 2.5}),
         seed=13, dtype=torch.bfloat16)
    make("qwen3", Qwen3ForCausalLM,
         Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True,
                     rope_parameters={"rope_theta": 1000000.0, "rope_type": "default"}),
         seed=14, dtype=torch.bfloat16)


if __name__ == "__main__":
    main()
