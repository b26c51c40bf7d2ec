"""Compares exported models and adapters with transformers and PEFT, in double precision.

    for family in llama llama-tied qwen2 qwen3; do
      npx unmask export test/model/references/$family --out /tmp/exported/$family
    done
    node --import tsx test/model/references/export-adapters.ts /tmp/exported
    python3 test/model/references/check-export.py /tmp/exported

Needs torch, transformers and peft. The logits of the models are compared with logits.json in the folder of the family. Those of
adapters are compared with the ones that export-adapters.ts wrote, which Unmask computed in f32 with the adapter merged.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

FAMILIES = ["llama", "llama-tied", "qwen2", "qwen3"]


def largest_difference(model, reference, tolerance):
    with torch.no_grad():
        logits = model(torch.tensor([reference["tokens"]])).logits[0]
    difference = (logits - torch.tensor(reference["logits"], dtype=torch.float64)).abs().max().item()
    assert difference < tolerance, f"off by {difference}"
    return difference


def main(exported):
    here = Path(__file__).parent
    for family in FAMILIES:
        load = lambda: AutoModelForCausalLM.from_pretrained(exported / family, dtype=torch.float64).eval()
        reference = json.loads((here / family / "logits.json").read_text())
        print(family, "model", largest_difference(load(), reference, 1e-4))
        for kind in ["adapter", "conversion"]:
            adapter = exported / f"{family}-{kind}"
            if not adapter.exists():
                continue
            from peft import PeftModel

            adapted = PeftModel.from_pretrained(load(), str(adapter)).eval().to(torch.float64)
            stored = json.loads((adapter / "logits.json").read_text())
            own = ("lora_", "trainable_tokens_delta")
            loaded = sum(any(part in name for part in own) and bool(weight.abs().max() > 0) for name, weight in adapted.named_parameters())
            assert loaded == stored["tensors"], f"{loaded} of {stored['tensors']} tensors were loaded"
            print(family, kind, largest_difference(adapted, stored, 3e-4))


main(Path(sys.argv[1]))
