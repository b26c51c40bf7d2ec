"""
Makes adapters in peft/ next to this file with PEFT, on the small checkpoints llama, llama-tied and qwen3, and the logits that
PEFT computes with them in double precision.

    python3 test/model/references/make-peft-references.py        (PyTorch, transformers 5, PEFT 0.21)

Each folder holds the two files that PEFT saved and logits.json: the base, the tokens, and the logits of the last two positions.
`canvas`, in the folders of converted models, has logits at a canvas of masks after the context: the context attends causally, and
the canvas to all tokens. `refused` marks adapters that Unmask does not support; they have no logits. The result is the same every
time.
"""

import json
import os
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS = [5, 9, 4, 7, 12]
MASK, END, WIDTH = 3, 6, 3
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def randomize(model):
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, x in model.named_parameters():
            if x.requires_grad:
                x.copy_((0.3 * torch.randn(x.shape, generator=generator)).float())


def rows(logits):
    return [[round(value, 6) for value in row] for row in logits.tolist()]


def canvas_logits(model):
    """Logits of the last token of the context and of all masks of a canvas but the last: they predict the canvas."""
    tokens = torch.tensor([TOKENS + [MASK] * WIDTH])
    length = tokens.shape[1]
    sees = torch.ones(length, length, dtype=torch.bool).tril()
    sees[len(TOKENS):] = True
    mask = torch.zeros(1, 1, length, length, dtype=torch.float64)
    mask.masked_fill_(~sees, torch.finfo(torch.float64).min)
    return rows(model(tokens, attention_mask=mask).logits[0, len(TOKENS) - 1 : length - 1])


def make(name, base, *, raw=False, canvas=False, refused=False, resize=False, **fields):
    folder = os.path.join(HERE, "peft", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, base), dtype=torch.float64, attn_implementation="eager")
    if resize:
        model.resize_token_embeddings(model.config.vocab_size + 2)
    model.eval()
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **{"r": 2, "lora_alpha": 6, **fields})).eval()
    randomize(adapted)
    adapted.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    file = os.path.join(folder, "adapter_model.safetensors")
    tensors = {key: tensor.float().contiguous() for key, tensor in load_file(file).items()}
    if raw:
        # State dictionaries that were saved without PEFT's function keep the name of the adapter.
        tensors = {key.replace(".weight", ".default.weight"): tensor for key, tensor in tensors.items()}
    save_file(tensors, file)
    config_file = os.path.join(folder, "adapter_config.json")
    with open(config_file, encoding="utf-8") as opened:
        config = json.load(opened)
    config["base_model_name_or_path"] = base
    for field in ("target_modules", "exclude_modules"):
        if isinstance(config.get(field), list):
            config[field].sort()
    with open(config_file, "w", encoding="utf-8") as opened:
        opened.write(json.dumps(config, indent=2, sort_keys=True) + "\n")
    content = {"base": base, "tokens": TOKENS}
    if refused:
        content["refused"] = True
    else:
        with torch.no_grad():
            content["logits"] = rows(adapted(torch.tensor([TOKENS])).logits[0, -2:])
            if canvas:
                content["canvas"] = {"mask": MASK, "end": END, "logits": canvas_logits(adapted)}
    with open(os.path.join(folder, "logits.json"), "w", encoding="utf-8") as opened:
        opened.write(json.dumps(content) + "\n")


def main():
    shutil.rmtree(os.path.join(HERE, "peft"), ignore_errors=True)
    trained = [MASK, END]
    make("conversion", "llama-tied", canvas=True, target_modules=ALL, trainable_token_indices={"embed_tokens": trained})
    make("conversion-untied", "llama", canvas=True, target_modules=["q_proj", "up_proj"],
         trainable_token_indices={"embed_tokens": trained, "lm_head": trained})
    make("conversion-qwen3", "qwen3", canvas=True, target_modules=["k_proj", "down_proj"], trainable_token_indices=trained)
    make("pattern", "llama", target_modules=r".*\.layers\.1\.self_attn\.(q|v)_proj")
    make("paths", "llama", target_modules=["model.layers.0.self_attn.q_proj", "layers.1.mlp.down_proj"])
    make("path-ends", "llama", target_modules=["self_attn.q_proj", "mlp.up_proj"])
    make("some-layers", "llama", target_modules=["q_proj", "down_proj"], layers_to_transform=[1])
    make("one-layer", "llama", target_modules=["v_proj"], layers_to_transform=0, layers_pattern="layers")
    make("excluded", "llama", target_modules=["up_proj", "v_proj"], exclude_modules=["layers.0.mlp.up_proj"])
    make("excluded-pattern", "llama", target_modules=["o_proj"], exclude_modules=r".*layers\.1\..*")
    make("all-linear", "llama", target_modules="all-linear", r=1)
    make("stabilised", "llama", target_modules=["q_proj"], use_rslora=True)
    make("scales", "llama", target_modules=["q_proj", "k_proj"], rank_pattern={"layers.1.self_attn.q_proj": 3},
         alpha_pattern={"^q_proj": 100, "k_proj": 1})
    make("named-default", "llama", raw=True, target_modules=["gate_proj"])
    make("dora", "llama", refused=True, target_modules=["q_proj"], use_dora=True)
    make("biases", "llama-tied", refused=True, target_modules=["q_proj"], bias="lora_only")
    make("factor-biases", "llama", refused=True, target_modules=["q_proj"], lora_bias=True)
    make("resized", "llama", refused=True, resize=True, target_modules=["q_proj"])
    make("resized-tied", "llama-tied", refused=True, resize=True, target_modules=["q_proj"])
    make("saved-modules", "llama", refused=True, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    make("adapted-embeddings", "llama", refused=True, target_modules=["q_proj", "embed_tokens"])
    make("adapted-head", "llama", refused=True, target_modules=["q_proj", "lm_head"])
    make("tokens-of-embeddings", "llama", refused=True, target_modules=["q_proj"], trainable_token_indices=trained)


if __name__ == "__main__":
    main()
