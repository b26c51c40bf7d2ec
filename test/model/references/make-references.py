"""
Makes the small checkpoints next to this file, each in the layout of a published family, and their logits.

    python3 test/model/references/make-references.py        (Python 3 with NumPy; nothing else)

The logits are computed here in double precision from the papers' formulas and from what the authors' code was read to do,
without any of this product's code, which the tests check against them. Weights are random; names, shapes, types of numbers,
shards and configurations are those of the families. The result is the same every time.
"""

import json
import os
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS = [5, 90, 3, 17, 3, 3, 21, 8, 3, 99, 42, 3, 64]
# Ids in every vocabulary here: padding, end of text, a start of a turn, the mask.
SPECIALS = ["<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|mask|>"]
LETTERS = [chr(code) for code in range(32, 127)] + ["\n"]
VOCABULARY = len(SPECIALS) + len(LETTERS) + 2  # two rows that no token has


# A conversation in the manner of Qwen's models, in our own words.
CHAT_TEMPLATE = (
    "{%- if messages[0]['role'] != 'system' -%}<|im_start|>system\nBe brief.<|im_end|>\n{% endif -%}"
    "{%- for message in messages -%}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n{% endif -%}"
)


# Numbers of 16 bits ----------------------------------------------------------------------------------------------------


def to_bf16(x):
    """The nearest bfloat16, ties to even, as its 16 bits."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded(x, dtype):
    """Numbers after they are stored as `dtype`, and their bytes."""
    if dtype == "BF16":
        bits = to_bf16(x)
        return from_bf16(bits).astype(np.float64), bits.tobytes()
    kind = {"F32": np.float32, "F16": np.float16}[dtype]
    stored = np.asarray(x, kind)
    return stored.astype(np.float64), stored.tobytes()


# The formulas ----------------------------------------------------------------------------------------------------------


def rms_norm(x, gain, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * gain


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def swiglu(x, gate, up, down):
    return (silu(x @ gate.T) * (x @ up.T)) @ down.T


def rotated(x, theta, turning):
    """x [length, heads, d]: the first `turning` numbers of each head turn with the position, number i with i + turning / 2."""
    length = x.shape[0]
    frequencies = theta ** (-np.arange(0, turning, 2) / turning)
    angles = np.arange(length)[:, None] * frequencies[None, :]
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    first, second, rest = x[..., : turning // 2], x[..., turning // 2 : turning], x[..., turning:]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)


def attention(q, k, v, block):
    """q [length, heads, d], k and v [length, groups, d]; `block`: a token sees its own block and those before; None: all."""
    length, heads, d = q.shape
    per_group = heads // k.shape[1]
    out = np.zeros_like(q)
    for head in range(heads):
        scores = q[:, head] @ k[:, head // per_group].T / np.sqrt(d)
        if block is not None:
            places = np.arange(length) // block
            scores = np.where(places[None, :] <= places[:, None], scores, -np.inf)
        out[:, head] = softmax(scores) @ v[:, head // per_group]
    return out.reshape(length, heads * d)


def qwen(w, c, tokens, *, bias, qk_norm, block=None):
    """Qwen2, Qwen2.5 (arXiv 2412.15115) and Qwen3 (arXiv 2505.09388) without the causal mask."""
    heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
    d = c.get("head_dim", c["hidden_size"] // heads)
    x = w["model.embed_tokens.weight"][tokens]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        normal = rms_norm(x, w[p + "input_layernorm.weight"], c["rms_norm_eps"])

        def project(name, count):
            y = normal @ w[p + f"self_attn.{name}_proj.weight"].T
            if bias:
                y = y + w[p + f"self_attn.{name}_proj.bias"]
            return y.reshape(len(tokens), count, d)

        q, k, v = project("q", heads), project("k", groups), project("v", groups)
        if qk_norm:
            q = rms_norm(q, w[p + "self_attn.q_norm.weight"], c["rms_norm_eps"])
            k = rms_norm(k, w[p + "self_attn.k_norm.weight"], c["rms_norm_eps"])
        q, k = rotated(q, c["rope_theta"], d), rotated(k, c["rope_theta"], d)
        x = x + attention(q, k, v, block) @ w[p + "self_attn.o_proj.weight"].T
        normal = rms_norm(x, w[p + "post_attention_layernorm.weight"], c["rms_norm_eps"])
        x = x + swiglu(normal, *(w[p + f"mlp.{name}_proj.weight"] for name in ("gate", "up", "down")))
    head = w["model.embed_tokens.weight"] if c["tie_word_embeddings"] else w["lm_head.weight"]
    return rms_norm(x, w["model.norm.weight"], c["rms_norm_eps"]) @ head.T


def llada(w, c, tokens):
    """LLaDA (arXiv 2502.09992): OLMo's block of the kind `llama`, without a mask."""
    heads, groups = c["n_heads"], c["n_kv_heads"]
    d = c["d_model"] // heads
    t = "model.transformer."
    x = w[t + "wte.weight"][tokens]
    for layer in range(c["n_layers"]):
        p = f"{t}blocks.{layer}."
        normal = rms_norm(x, w[p + "attn_norm.weight"], c["rms_norm_eps"])
        q = (normal @ w[p + "q_proj.weight"].T).reshape(-1, heads, d)
        k = (normal @ w[p + "k_proj.weight"].T).reshape(-1, groups, d)
        v = (normal @ w[p + "v_proj.weight"].T).reshape(-1, groups, d)
        q, k = rotated(q, c["rope_theta"], d), rotated(k, c["rope_theta"], d)
        x = x + attention(q, k, v, None) @ w[p + "attn_out.weight"].T
        normal = rms_norm(x, w[p + "ff_norm.weight"], c["rms_norm_eps"])
        inner = silu(normal @ w[p + "ff_proj.weight"].T) * (normal @ w[p + "up_proj.weight"].T)
        x = x + inner @ w[p + "ff_out.weight"].T
    head = w[t + "wte.weight"] if c["weight_tying"] else w[t + "ff_out.weight"]
    return rms_norm(x, w[t + "ln_f.weight"], c["rms_norm_eps"]) @ head.T


def best(scores, count):
    """Places of the `count` largest, none of which may be close to being another."""
    order = np.argsort(-scores, kind="stable")
    if count < len(scores):
        assert scores[order[count - 1]] - scores[order[count]] > 1e-4, "a choice that rounding could turn"
    return order[:count]


def llada_moe(w, c, tokens):
    """LLaDA-MoE (arXiv 2509.24389): softmax over all experts, the best ones with the weights as they are (OLMoE)."""
    heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
    d = c["hidden_size"] // heads
    turning = int(d * c["partial_rotary_factor"])
    x = w["model.embed_tokens.weight"][tokens]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        normal = rms_norm(x, w[p + "input_layernorm.weight"], c["rms_norm_eps"])
        q = (normal @ w[p + "self_attn.q_proj.weight"].T).reshape(-1, heads, d)
        k = (normal @ w[p + "self_attn.k_proj.weight"].T).reshape(-1, groups, d)
        v = (normal @ w[p + "self_attn.v_proj.weight"].T).reshape(-1, groups, d)
        q = rms_norm(q, w[p + "self_attn.q_norm.weight"], c["rms_norm_eps"])
        k = rms_norm(k, w[p + "self_attn.k_norm.weight"], c["rms_norm_eps"])
        q, k = rotated(q, c["rope_theta"], turning), rotated(k, c["rope_theta"], turning)
        x = x + attention(q, k, v, None) @ w[p + "self_attn.o_proj.weight"].T
        normal = rms_norm(x, w[p + "post_attention_layernorm.weight"], c["rms_norm_eps"])
        matrices = lambda at: [w[f"{p}{at}.{name}_proj.weight"] for name in ("gate", "up", "down")]
        if c["moe_layer_freq"][layer] == 0:
            x = x + swiglu(normal, *matrices("mlp"))
            continue
        scores = softmax(normal @ w[p + "mlp.gate.weight"].T)
        y = swiglu(normal, *matrices("shared_expert"))
        for place in range(len(tokens)):
            for expert in best(scores[place], c["num_experts_per_tok"]):
                y[place] += scores[place, expert] * swiglu(normal[place], *matrices(f"mlp.experts.{expert}"))
        x = x + y
    return rms_norm(x, w["model.norm.weight"], c["rms_norm_eps"]) @ w["lm_head.weight"].T


def llada2_moe(w, c, tokens, block):
    """LLaDA 2.0 (arXiv 2512.15745) on Ling 2.0: sigmoid scores, a bias and limited groups for the choice alone."""
    heads, groups, d = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
    turning = int(d * c["partial_rotary_factor"])
    x = w["model.word_embeddings.weight"][tokens]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        normal = rms_norm(x, w[p + "input_layernorm.weight"], c["rms_norm_eps"])
        qkv = (normal @ w[p + "attention.query_key_value.weight"].T).reshape(-1, heads + 2 * groups, d)
        q, k, v = qkv[:, :heads], qkv[:, heads : heads + groups], qkv[:, heads + groups :]
        q = rms_norm(q, w[p + "attention.query_layernorm.weight"], c["rms_norm_eps"])
        k = rms_norm(k, w[p + "attention.key_layernorm.weight"], c["rms_norm_eps"])
        q, k = rotated(q, c["rope_theta"], turning), rotated(k, c["rope_theta"], turning)
        x = x + attention(q, k, v, block) @ w[p + "attention.dense.weight"].T
        normal = rms_norm(x, w[p + "post_attention_layernorm.weight"], c["rms_norm_eps"])
        matrices = lambda at: [w[f"{p}mlp.{at}{name}_proj.weight"] for name in ("gate", "up", "down")]
        if layer < c["first_k_dense_replace"]:
            x = x + swiglu(normal, *matrices(""))
            continue
        scores = sigmoid(normal @ w[p + "mlp.gate.weight"].T)
        y = swiglu(normal, *matrices("shared_experts."))
        size = c["num_experts"] // c["n_group"]
        for place in range(len(tokens)):
            ranked = scores[place] + w[p + "mlp.gate.expert_bias"]
            of_group = np.array([np.sort(ranked[g * size : (g + 1) * size])[-2:].sum() for g in range(c["n_group"])])
            kept = set(best(of_group, c["topk_group"]))
            ranked = np.array([r if e // size in kept else -np.inf for e, r in enumerate(ranked)])
            chosen = best(ranked, c["num_experts_per_tok"])
            shares = scores[place, chosen] / (scores[place, chosen].sum() + 1e-20) * c["routed_scaling_factor"]
            for expert, share in zip(chosen, shares):
                y[place] += share * swiglu(normal[place], *matrices(f"experts.{expert}."))
        x = x + y
    return rms_norm(x, w["model.norm.weight"], c["rms_norm_eps"]) @ w["lm_head.weight"].T


# Names and shapes of the families' weights ----------------------------------------------------------------------------


def qwen_shapes(c, bias, qk_norm):
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
    d = c.get("head_dim", hidden // heads)
    shapes = {"model.embed_tokens.weight": [c["vocab_size"], hidden]}
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        for name, count in (("q", heads), ("k", groups), ("v", groups)):
            shapes[p + f"self_attn.{name}_proj.weight"] = [count * d, hidden]
            if bias:
                shapes[p + f"self_attn.{name}_proj.bias"] = [count * d]
        shapes[p + "self_attn.o_proj.weight"] = [hidden, heads * d]
        if qk_norm:
            shapes[p + "self_attn.q_norm.weight"] = shapes[p + "self_attn.k_norm.weight"] = [d]
        shapes[p + "mlp.gate_proj.weight"] = shapes[p + "mlp.up_proj.weight"] = [inner, hidden]
        shapes[p + "mlp.down_proj.weight"] = [hidden, inner]
        shapes[p + "input_layernorm.weight"] = shapes[p + "post_attention_layernorm.weight"] = [hidden]
    shapes["model.norm.weight"] = [hidden]
    if not c["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [c["vocab_size"], hidden]
    return shapes


def llada_shapes(c):
    hidden, inner, d = c["d_model"], c["mlp_hidden_size"], c["d_model"] // c["n_heads"]
    t = "model.transformer."
    shapes = {t + "wte.weight": [c["embedding_size"], hidden]}
    for layer in range(c["n_layers"]):
        p = f"{t}blocks.{layer}."
        shapes[p + "q_proj.weight"] = shapes[p + "attn_out.weight"] = [hidden, hidden]
        shapes[p + "k_proj.weight"] = shapes[p + "v_proj.weight"] = [c["n_kv_heads"] * d, hidden]
        shapes[p + "ff_proj.weight"] = shapes[p + "up_proj.weight"] = [inner, hidden]
        shapes[p + "ff_out.weight"] = [hidden, inner]
        shapes[p + "attn_norm.weight"] = shapes[p + "ff_norm.weight"] = [hidden]
    shapes[t + "ln_f.weight"] = [hidden]
    if not c["weight_tying"]:
        shapes[t + "ff_out.weight"] = [c["embedding_size"], hidden]
    return shapes


def gated_shapes(at, width, hidden):
    return {f"{at}gate_proj.weight": [width, hidden], f"{at}up_proj.weight": [width, hidden], f"{at}down_proj.weight": [hidden, width]}


def llada_moe_shapes(c):
    hidden, heads, groups = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
    d = hidden // heads
    shapes = {"model.embed_tokens.weight": [c["vocab_size"], hidden]}
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        shapes[p + "self_attn.q_proj.weight"] = shapes[p + "self_attn.o_proj.weight"] = [hidden, hidden]
        shapes[p + "self_attn.k_proj.weight"] = shapes[p + "self_attn.v_proj.weight"] = [groups * d, hidden]
        shapes[p + "self_attn.q_norm.weight"] = shapes[p + "self_attn.k_norm.weight"] = [d]
        shapes[p + "input_layernorm.weight"] = shapes[p + "post_attention_layernorm.weight"] = [hidden]
        if c["moe_layer_freq"][layer] == 0:
            shapes |= gated_shapes(p + "mlp.", c["dense_intermediate_size"], hidden)
            continue
        shapes[p + "mlp.gate.weight"] = [c["num_experts"], hidden]
        for expert in range(c["num_experts"]):
            shapes |= gated_shapes(f"{p}mlp.experts.{expert}.", c["expert_intermediate_size"], hidden)
        shapes |= gated_shapes(p + "shared_expert.", c["shared_expert_intermediate_size"], hidden)
    shapes["model.norm.weight"] = [hidden]
    shapes["lm_head.weight"] = [c["vocab_size"], hidden]
    return shapes


def llada2_moe_shapes(c):
    hidden, d = c["hidden_size"], c["head_dim"]
    heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
    shapes = {"model.word_embeddings.weight": [c["vocab_size"], hidden]}
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        shapes[p + "attention.query_key_value.weight"] = [(heads + 2 * groups) * d, hidden]
        shapes[p + "attention.query_layernorm.weight"] = shapes[p + "attention.key_layernorm.weight"] = [d]
        shapes[p + "attention.dense.weight"] = [hidden, heads * d]
        shapes[p + "input_layernorm.weight"] = shapes[p + "post_attention_layernorm.weight"] = [hidden]
        if layer < c["first_k_dense_replace"]:
            shapes |= gated_shapes(p + "mlp.", c["intermediate_size"], hidden)
            continue
        shapes[p + "mlp.gate.weight"] = [c["num_experts"], hidden]
        shapes[p + "mlp.gate.expert_bias"] = [c["num_experts"]]
        for expert in range(c["num_experts"]):
            shapes |= gated_shapes(f"{p}mlp.experts.{expert}.", c["moe_intermediate_size"], hidden)
        shapes |= gated_shapes(p + "mlp.shared_experts.", c["num_shared_experts"] * c["moe_intermediate_size"], hidden)
    shapes["model.norm.weight"] = [hidden]
    shapes["lm_head.weight"] = [c["vocab_size"], hidden]
    return shapes


# Files -----------------------------------------------------------------------------------------------------------------


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=1) + "\n")


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def write_weights(folder, tensors, shards):
    if shards == 1:
        return write_safetensors(os.path.join(folder, "model.safetensors"), tensors)
    names = list(tensors)
    cuts = [round(index * len(names) / shards) for index in range(shards + 1)]
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[cuts[shard] : cuts[shard + 1]]}
        write_safetensors(os.path.join(folder, file), part)
        weight_map |= {name: file for name in part}
    size = sum(len(data) for _, _, data in tensors.values())
    write_json(folder, "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": weight_map})


def byte_letter(letter):
    """How byte-level vocabularies write the characters used here."""
    return {" ": "\u0120", "\n": "\u010a"}.get(letter, letter)


def tokenizer_files(folder, mask_named_in=None, bare=False, chat=False):
    """A byte-level tokenizer of single letters; `bare`: as its vocabulary and merges alone, without tokenizer.json."""
    vocabulary = {byte_letter(letter): len(SPECIALS) + index for index, letter in enumerate(LETTERS)}
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    decoder = {str(index): {"content": content, **flags} for index, content in enumerate(SPECIALS)}
    config = {
        "added_tokens_decoder": decoder,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "DreamTokenizer" if bare else "PreTrainedTokenizerFast",
    }
    if chat:
        config["chat_template"] = CHAT_TEMPLATE
    if mask_named_in == "tokenizer_config.json":
        config["mask_token"] = {"content": "<|mask|>", **flags}
    if mask_named_in == "special_tokens_map.json":
        write_json(folder, mask_named_in, {"mask_token": "<|mask|>"})
    write_json(folder, "tokenizer_config.json", config)
    if bare:
        write_json(folder, "vocab.json", vocabulary)
        with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
            file.write("#version: 0.2\n")
        return
    write_json(
        folder,
        "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": index, "content": content, **flags} for index, content in enumerate(SPECIALS)],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocabulary, "merges": []},
        },
    )


def random_weights(shapes, seed):
    generator = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        x = generator.standard_normal(shape)
        if name.endswith(("norm.weight", "ln_f.weight")):
            x = 1 + 0.2 * x
        elif len(shape) == 1:
            x = 0.2 * x
        elif not name.endswith(("embed_tokens.weight", "wte.weight", "word_embeddings.weight")):
            x = x * 1.5 / np.sqrt(shape[1])
        weights[name] = x
    return weights


def make(layout, config, shapes, logits, *, seed, dtype, shards, mask_named_in, bare=False, chat=False, keep_f32=(), again=None):
    """`keep_f32`: ends of the names that are F32 among others; `again`: a tensor stored under a second name too."""
    folder = os.path.join(HERE, layout)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    exact, stored = {}, {}
    for name, x in random_weights(shapes, seed).items():
        kind = "F32" if name.endswith(tuple(keep_f32)) and keep_f32 else dtype
        exact[name], data = rounded(x, kind)
        stored[name] = (kind, list(x.shape), data)
    if again:
        stored[again[1]] = stored[again[0]]
    write_weights(folder, stored, shards)
    write_json(folder, "config.json", config)
    tokenizer_files(folder, mask_named_in, bare, chat)
    rows = logits(exact, config, TOKENS)
    with open(os.path.join(folder, "logits.json"), "w", encoding="utf-8") as file:
        lines = ",\n ".join(json.dumps([round(float(value), 6) for value in row]) for row in rows)
        file.write(f'{{"tokens": {json.dumps(TOKENS)},\n"logits": [\n {lines}\n]}}\n')


def main():
    qwen_sizes = {
        "hidden_act": "silu",
        "hidden_size": 32,
        "intermediate_size": 56,
        "initializer_range": 0.02,
        "max_position_embeddings": 2048,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "sliding_window": None,
        "use_sliding_window": False,
        "vocab_size": VOCABULARY,
    }
    c = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        **qwen_sizes,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "max_window_layers": 2,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }
    options = {"bias": True, "qk_norm": False}
    make("open-dcoder", c, qwen_shapes(c, **options), lambda w, c, t: qwen(w, c, t, **options),
         seed=1, dtype="BF16", shards=1, mask_named_in="tokenizer_config.json", chat=True)

    c = {
        "architectures": ["A2DQwen2LMHeadModel"],
        "model_type": "a2d-qwen2",
        **qwen_sizes,
        "dtype": "float16",
        "eos_token_id": [1, 0],
        "layer_types": ["full_attention", "full_attention"],
        "pad_token_id": 0,
        "rope_scaling": None,
        "tie_word_embeddings": True,
    }
    make("a2d-qwen2", c, qwen_shapes(c, **options), lambda w, c, t: qwen(w, c, t, **options),
         seed=2, dtype="F16", shards=2, mask_named_in="tokenizer_config.json",
         again=("model.embed_tokens.weight", "lm_head.weight"))

    c = {
        "architectures": ["A2DQwen3LMHeadModel"],
        "model_type": "a2d-qwen3",
        **qwen_sizes,
        "attention_bias": False,
        "eos_token_id": 1,
        "head_dim": 12,
        "layer_types": ["full_attention", "full_attention"],
        "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
        "tie_word_embeddings": False,
        # What the folder's name alone says of a published one.
        "attention": "block-causal",
        "block_size": 4,
    }
    del c["rope_theta"]
    options3 = {"bias": False, "qk_norm": True}
    make("a2d-qwen3", c, qwen_shapes(c, **options3),
         lambda w, c, t: qwen(w, {**c, "rope_theta": 1e6}, t, **options3, block=4),
         seed=3, dtype="BF16", shards=3, mask_named_in="tokenizer_config.json")

    c = {
        "architectures": ["DreamModel"],
        "auto_map": {"AutoConfig": "configuration_dream.DreamConfig", "AutoModel": "modeling_dream.DreamModel"},
        "model_type": "Dream",
        **qwen_sizes,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "mask_token_id": 3,
        "pad_token_id": 0,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }
    make("dream", c, qwen_shapes(c, **options), lambda w, c, t: qwen(w, c, t, **options),
         seed=4, dtype="F32", shards=2, mask_named_in=None, bare=True)

    c = {
        "activation_type": "silu",
        "alibi": False,
        "alibi_bias_max": 8.0,
        "architectures": ["LLaDAModelLM"],
        "attention_dropout": 0.0,
        "attention_layer_norm": False,
        "attention_layer_norm_with_affine": True,
        "auto_map": {"AutoConfig": "configuration_llada.LLaDAConfig", "AutoModel": "modeling_llada.LLaDAModelLM"},
        "bias_for_layer_norm": False,
        "block_group_size": 1,
        "block_type": "llama",
        "d_model": 32,
        "embedding_dropout": 0.0,
        "embedding_size": VOCABULARY,
        "eos_token_id": 1,
        "flash_attention": False,
        "include_bias": False,
        "include_qkv_bias": False,
        "input_emb_norm": False,
        "layer_norm_type": "rms",
        "layer_norm_with_affine": True,
        "mask_token_id": 3,
        "max_sequence_length": 2048,
        "mlp_hidden_size": 56,
        "mlp_ratio": 4,
        "model_type": "llada",
        "multi_query_attention": None,
        "n_heads": 4,
        "n_kv_heads": 4,
        "n_layers": 2,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-05,
        "rope": True,
        "rope_full_precision": True,
        "rope_theta": 500000.0,
        "scale_logits": False,
        "vocab_size": VOCABULARY - 2,
        "weight_tying": False,
    }
    make("llada", c, llada_shapes(c), llada, seed=5, dtype="BF16", shards=2, mask_named_in=None)

    c = {
        "architectures": ["LLaDAMoEModelLM"],
        "attention_bias": False,
        "clip_qkv": None,
        "dense_intermediate_size": 48,
        "eos_token_id": 1,
        "expert_intermediate_size": 16,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "mask_token_id": 3,
        "max_position_embeddings": 2048,
        "model_type": "llada_moe",
        "moe_layer_freq": [0, 1],
        "moe_router_enable_expert_bias": False,
        "moe_router_score_function": "softmax",
        "norm_topk_prob": None,
        "num_attention_heads": 4,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        "partial_rotary_factor": 1,
        "qk_layernorm": True,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 50000,
        "shared_expert_intermediate_size": 24,
        "tie_word_embeddings": False,
        "vocab_size": VOCABULARY,
    }
    make("llada-moe", c, llada_moe_shapes(c), llada_moe, seed=6, dtype="BF16", shards=2, mask_named_in=None)

    c = {
        "architectures": ["LLaDA2MoeModelLM"],
        "first_k_dense_replace": 1,
        "head_dim": 16,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "max_position_embeddings": 2048,
        "model_type": "llada2_moe",
        "moe_intermediate_size": 12,
        "moe_router_enable_expert_bias": True,
        "n_group": 4,
        "norm_head": False,
        "norm_topk_prob": True,
        "num_attention_heads": 4,
        "num_experts": 12,
        "num_experts_per_tok": 3,
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "num_shared_experts": 1,
        "pad_token_id": 0,
        "partial_rotary_factor": 0.5,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 600000,
        "routed_scaling_factor": 2.5,
        "score_function": "sigmoid",
        "sliding_window": 4096,
        "tie_word_embeddings": False,
        "topk_group": 2,
        "use_bias": False,
        "use_qk_norm": True,
        "use_qkv_bias": False,
        "use_sliding_window": False,
        "vocab_size": VOCABULARY,
        # Smaller than the family's 32, so that a short text has several.
        "block_size": 4,
    }
    make("llada2-moe", c, llada2_moe_shapes(c), lambda w, c, t: llada2_moe(w, c, t, 4),
         seed=7, dtype="BF16", shards=2, mask_named_in="special_tokens_map.json", keep_f32=("expert_bias",))

    c = {
        "architectures": ["SDARForCausalLM"],
        "auto_map": {"AutoConfig": "configuration_sdar.SDARConfig", "AutoModelForCausalLM": "modeling_sdar.SDARForCausalLM"},
        "model_type": "sdar",
        **qwen_sizes,
        "attention_bias": False,
        "block_size": 4,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "fuse_cross_entropy": True,
        "head_dim": 16,
        "mask_token_id": 3,
        "pad_token_id": 0,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    make("sdar", c, qwen_shapes(c, **options3), lambda w, c, t: qwen(w, c, t, **options3, block=4),
         seed=8, dtype="BF16", shards=2, mask_named_in=None)

    c = {
        "architectures": ["StableDiffcoderForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "modeling_stable_diffcoder.StableDiffcoderForCausalLM"},
        "model_type": "llama",
        **qwen_sizes,
        "attention_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "head_dim": 8,
        "mlp_bias": False,
        "pad_token_id": 0,
        "rope_scaling": None,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    plain = {"bias": False, "qk_norm": False}
    make("stable-diffcoder", c, qwen_shapes(c, **plain), lambda w, c, t: qwen(w, c, t, **plain, block=4),
         seed=9, dtype="BF16", shards=2, mask_named_in="tokenizer_config.json")


if __name__ == "__main__":
    main()
