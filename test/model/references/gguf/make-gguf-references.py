"""
Makes the small GGUF files next to this file with llama.cpp's Python package `gguf`.

    python3 test/model/references/gguf/make-gguf-references.py        (NumPy, gguf)

- formats.gguf has a tensor of every type of numbers that is read, a few blocks each, of random bytes with finite scales (some of
  them subnormal, zero or negative); formats.safetensors has what the package dequantises them to.
- llama.gguf, qwen2.gguf and qwen3.gguf are the checkpoints in the folders llama-tied, qwen2 and qwen3 as llama.cpp's converter
  writes them: its names, its order of dimensions, its order of rows in Llama's queries and keys, its metadata. The tokenizer has
  two tokens more than theirs, which merges make.

The result is the same every time.
"""

import json
import os
import struct

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUTS = os.path.dirname(HERE)

FORMATS = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0,
           Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K]
# Where the scales stand in a block: binary16 numbers that must be finite.
SCALES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def write_safetensors(path, tensors):
    header, offset, data = {}, 0, []
    for name, x in tensors.items():
        raw = np.ascontiguousarray(x, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def random_blocks(generator, kind, rows, blocks):
    """Rows of stored blocks [rows, bytes]."""
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    if kind == Type.F32:
        return generator.standard_normal((rows, blocks)).astype(np.float32)
    if kind == Type.F16:
        bits = generator.integers(0, 0x7C00, (rows, blocks), dtype=np.uint16)
        return (bits | (generator.integers(0, 2, bits.shape, dtype=np.uint16) << 15)).view(np.float16)
    if kind == Type.BF16:
        bits = generator.integers(0, 0x7F80, (rows, blocks), dtype=np.uint16)
        return (bits | (generator.integers(0, 2, bits.shape, dtype=np.uint16) << 15)).view(np.uint8)
    raw = generator.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    for index, at in enumerate(SCALES[kind]):
        scales = generator.standard_normal((rows, blocks)).astype(np.float16)
        # The largest, the smallest subnormal, zero and a negative number, in the first blocks.
        special = np.array([65504, 6e-8, 0, -1.5], np.float16)
        scales.reshape(-1)[: 4] = np.roll(special, index)[: scales.size]
        raw[:, :, at : at + 2] = scales[..., None].view(np.uint8)
    return raw.reshape(rows, blocks * size)


def make_formats():
    generator = np.random.default_rng(21)
    writer = gguf.GGUFWriter(os.path.join(HERE, "formats.gguf"), "llama")
    expected = {}
    for kind in FORMATS:
        numbers, _ = gguf.GGML_QUANT_SIZES[kind]
        blocks = {1: 48, 32: 4, 256: 2}[numbers]
        raw = random_blocks(generator, kind, 3, blocks)
        plain = kind in (Type.F32, Type.F16)
        writer.add_tensor(kind.name, raw, raw_dtype=None if plain else kind)
        expected[kind.name] = raw.astype(np.float32) if plain else gguf.quants.dequantize(raw, kind)
        assert np.isfinite(expected[kind.name]).all(), kind
    finish(writer)
    write_safetensors(os.path.join(HERE, "formats.safetensors"), expected)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_safetensors(path):
    """Each tensor's type and bits."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        kind = {"F32": np.float32, "BF16": np.uint16}[entry["dtype"]]
        yield name, entry["dtype"], np.frombuffer(data[start:end], kind).reshape(entry["shape"])


NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def name_of(name):
    whole, kind = name.rsplit(".", 1)
    if not whole.startswith("model.layers."):
        return f"{NAMES[whole]}.{kind}"
    _, _, layer, rest = whole.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}.{kind}"


def interleaved(x, heads):
    """Rows of each head as llama.cpp turns them: place i next to place i + d / 2, as its converter permutes them."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def make_model(arch, layout):
    with open(os.path.join(LAYOUTS, layout, "config.json"), encoding="utf-8") as file:
        c = json.load(file)
    with open(os.path.join(LAYOUTS, layout, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    writer = gguf.GGUFWriter(os.path.join(HERE, f"{arch}.gguf"), arch)
    writer.add_name(f"Tiny {arch}")
    writer.add_license("mit")
    head_dim = c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    rope = c["rope_parameters"]
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if arch == "llama":
        writer.add_vocab_size(c["vocab_size"])
        writer.add_rope_dimension_count(head_dim)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    specials = [entry["content"] for entry in tokenizer["added_tokens"]]
    tokens = [*specials, *tokenizer["model"]["vocab"], "th", "the"]
    assert len(tokens) == c["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre({"llama": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2"}[arch])
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(specials) + [gguf.TokenType.NORMAL] * (len(tokens) - len(specials)))
    writer.add_token_merges(["t h", "th e"])
    writer.add_bos_token_id(c["bos_token_id"])
    writer.add_eos_token_id(c["eos_token_id"])
    writer.add_pad_token_id(c["pad_token_id"])
    writer.add_add_bos_token(arch == "llama")
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}")
    for name, dtype, x in read_safetensors(os.path.join(LAYOUTS, layout, "model.safetensors")):
        heads = {"q_proj": c["num_attention_heads"], "k_proj": c["num_key_value_heads"]}
        projection = name.split(".")[-2]
        if arch == "llama" and projection in heads:
            x = interleaved(x, heads[projection])
        if dtype == "BF16" and x.ndim == 1:
            # As the converter does, which keeps vectors in f32.
            x, dtype = (x.astype(np.uint32) << 16).view(np.float32), "F32"
        if dtype == "BF16":
            writer.add_tensor(name_of(name), np.ascontiguousarray(x).view(np.uint8), raw_dtype=Type.BF16)
        else:
            writer.add_tensor(name_of(name), np.ascontiguousarray(x))
    finish(writer)


make_formats()
make_model("llama", "llama-tied")
make_model("qwen2", "qwen2")
make_model("qwen3", "qwen3")
