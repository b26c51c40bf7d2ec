"""The peer of `unmask bench`: the same models and workloads in PyTorch, optimised as far as eager mode allows.

This is a worker process. argv names the folder that the bench prepared. Each line on stdin is a JSON object `{work,
runs}`; the answer on stdout is `{seconds: [...], ...}`. Environment variables set the number of threads
(OMP_NUM_THREADS, OPENBLAS_NUM_THREADS). If you change this file, the loss must stay equal to that of the bench's model.
"""

import json
import re
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

folder = Path(sys.argv[1])


def read_safetensors(file):
    """The tensors of a file, without copying its bytes; see https://github.com/huggingface/safetensors."""
    raw = bytearray(file.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    kinds = {"F32": torch.float32, "I32": torch.int32}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        dtype = kinds[entry["dtype"]]
        flat = torch.frombuffer(raw, dtype=dtype, count=(last - first) // 4, offset=start + first)
        tensors[name] = flat.view(entry["shape"]).long() if dtype == torch.int32 else flat.view(entry["shape"]).clone()
    return tensors


class Model:
    """A bidirectional transformer: RMSNorm, also on queries and keys, rotary positions, SwiGLU, no grouped queries."""

    def __init__(self, checkpoint):
        config = json.loads((checkpoint / "config.json").read_text())
        weights = read_safetensors(checkpoint / "model.safetensors")
        assert config["num_key_value_heads"] == config["num_attention_heads"] and config["attention"] == "full"
        assert config["qk_norm"] and not (config["attention_bias"] or config["logit_shift"])
        self.mask, self.heads, self.d = config["mask_token_id"], config["num_attention_heads"], config["head_dim"]
        self.layers, self.eps, self.theta = config["num_hidden_layers"], config["rms_norm_eps"], config["rope_theta"]
        self.w = {name: tensor.requires_grad_() for name, tensor in weights.items()}
        self.head = self.w["model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"]
        self.tables = {}

    def parameters(self):
        return list(self.w.values())

    def norm(self, x, gain):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * gain

    @torch.inference_mode(False)
    def rotary(self, length):
        # Created outside inference mode, because a backward pass cannot use tensors that were created in it.
        if length not in self.tables:
            half = self.d // 2
            angles = torch.arange(length)[:, None] * self.theta ** (-torch.arange(half, dtype=torch.float64) / half)
            # The rotation of a whole head is x * cosines + (x with its halves swapped) * sines.
            cosines, sines = angles.cos().float(), angles.sin().float()
            self.tables[length] = (torch.cat([cosines, cosines], -1), torch.cat([-sines, sines], -1))
        return self.tables[length]

    def turn(self, x, tables):
        cosines, sines = tables
        return torch.addcmul(x * cosines, x.roll(self.d // 2, -1), sines)

    def states(self, tokens):
        """Hidden states [batch, length, hidden_size]."""
        batch, length = tokens.shape
        tables = self.rotary(length)
        x = F.embedding(tokens, self.w["model.embed_tokens.weight"])
        for layer in range(self.layers):
            w = lambda name: self.w[f"model.layers.{layer}.{name}.weight"]
            y = self.norm(x, w("input_layernorm"))
            q, k, v = (F.linear(y, w(f"self_attn.{p}_proj")).view(batch, length, self.heads, self.d).transpose(1, 2) for p in "qkv")
            q, k = (self.turn(self.norm(z, w(f"self_attn.{p}_norm")), tables) for z, p in ((q, "q"), (k, "k")))
            x = x + F.linear(self.attend(q, k, v), w("self_attn.o_proj"))
            y = self.norm(x, w("post_attention_layernorm"))
            x = x + F.linear(F.silu(F.linear(y, w("mlp.gate_proj"))) * F.linear(y, w("mlp.up_proj")), w("mlp.down_proj"))
        return x

    def attend(self, q, k, v):
        batch, _, length, _ = q.shape
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            q, k, v = (y.reshape(-1, length, self.d) for y in (q, k, v))
            # baddbmm applies the scale without a separate pass.
            scores = torch.baddbmm(q.new_empty(1, 1, 1), q, k.transpose(1, 2), beta=0, alpha=self.d**-0.5)
            mixed = torch.bmm(scores.softmax(-1), v).view(batch, self.heads, length, self.d)
        return mixed.transpose(1, 2).reshape(batch, length, self.heads * self.d)

    def logits(self, states):
        return F.linear(self.norm(states, self.w["model.norm.weight"]), self.head)


class Optimizer:
    """AdamW after clipping by the global norm, with weight decay for matrices only."""

    def __init__(self, model, given):
        self.clip = given["maxGradNorm"]
        self.parameters = model.parameters()
        decay = given["weightDecay"]
        groups = [
            {"params": [p for p in self.parameters if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in self.parameters if p.dim() == 1], "weight_decay": 0.0},
        ]
        betas = (given["beta1"], given["beta2"])
        self.adamw = torch.optim.AdamW(groups, lr=given["learningRate"], betas=betas, eps=given["epsilon"])

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)


class Training:
    """A training step of the reference model: cross-entropy at every position, backward pass, clipping, AdamW."""

    def __init__(self):
        self.model = Model(folder / "reference")
        self.optimizer = Optimizer(self.model, settings["optimizer"])
        self.batch = read_safetensors(folder / "train.safetensors")

    def run(self):
        logits = self.model.logits(self.model.states(self.batch["tokens"]))
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), self.batch["targets"])
        loss.backward()
        self.optimizer.step()
        return lambda: loss.item()


class Forward:
    """Logits at every position of the first `rows` rows."""

    def __init__(self, rows):
        self.model = Model(folder / "reference")
        self.tokens = read_safetensors(folder / "train.safetensors")["tokens"][:rows]

    @torch.inference_mode()
    def run(self):
        logits = self.model.logits(self.model.states(self.tokens))
        return lambda: logits.abs().mean().item()


class Matmul:
    """Consecutive products of square matrices."""

    def __init__(self):
        size = settings["matmul"]["size"]
        self.factor = torch.sin(0.37 * torch.arange(size * size, dtype=torch.float64) ** 2).float().view(size, size) * (2 / size) ** 0.5
        self.products = [torch.empty(size, size), torch.empty(size, size)]

    @torch.inference_mode()
    def run(self):
        product = self.factor
        for count in range(settings["matmul"]["inARow"]):
            product = torch.mm(product, self.factor, out=self.products[count % 2])
        return lambda: product.max().item()


class Rollouts:
    """Low-confidence unmasking, block by block. All prompts have equal length, so all canvases are decoded in step."""

    def __init__(self, model=None):
        self.model = model or Model(Path(settings["puzzleModel"]))
        self.prompts = read_safetensors(folder / "prompts.safetensors")["prompts"]

    @torch.inference_mode()
    def run(self):
        given, mask = settings["decoding"], self.model.mask
        count, prompt = self.prompts.shape
        canvas = torch.full((count, prompt + given["length"]), mask)
        canvas[:, :prompt] = self.prompts
        blocks = -(-given["length"] // given["block"])
        for block in range(blocks):
            start = prompt + block * given["block"]
            end = min(start + given["block"], canvas.shape[1])
            steps = min(end - start, given["steps"] // blocks + (block < given["steps"] % blocks))
            for step in range(steps):
                quota = (end - start) // steps + (step < (end - start) % steps)
                self.reveal(canvas, start, end, quota, given["temperature"])
        return lambda: None

    def reveal(self, canvas, start, end, quota, temperature):
        hidden = (canvas[:, start:end] == self.model.mask).nonzero()
        places = hidden[:, 1].view(len(canvas), -1) + start
        states = self.model.states(canvas)
        chosen = states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))
        logits = self.model.logits(chosen)
        logits[..., self.model.mask] = -torch.inf
        noisy = logits
        if temperature > 0:
            uniform = torch.rand(logits.shape, dtype=torch.float64)
            noisy = logits - temperature * torch.log(-torch.log(uniform))
        tokens = noisy.argmax(-1)
        confidence = logits.softmax(-1).gather(-1, tokens[..., None])[..., 0]
        surest = confidence.topk(quota).indices
        canvas.scatter_(1, places.gather(1, surest), tokens.gather(1, surest))


class SpgStep:
    """Rollouts, then one update on prepared batches of scored completions (arXiv 2510.09541, as in src/tuning)."""

    def __init__(self):
        self.model = Model(Path(settings["puzzleModel"]))
        self.rollouts = Rollouts(self.model)
        self.optimizer = Optimizer(self.model, settings["spgOptimizer"])
        self.batches = [read_safetensors(file) for file in sorted(folder.glob("spg-*.safetensors"))]

    def run(self):
        self.rollouts.run()
        total = sum(self.learn(batch) for batch in self.batches)
        self.optimizer.step()
        return lambda: total

    def learn(self, batch):
        shape = batch["elbo_weights"].shape
        chosen = self.model.states(batch["tokens"]).flatten(0, 1)[batch["rows"]]
        logits = self.model.logits(chosen)
        logp = -F.cross_entropy(logits, batch["targets"], reduction="none").view(shape)
        elbo = (logp * batch["elbo_weights"]).sum((0, 2))
        log_u = torch.logsumexp(logp * batch["beta"] + batch["log_weights"], 0)
        eubo = (log_u * batch["position_weights"]).sum(1)
        loss = (elbo * batch["elbo_coefficients"]).sum() + (eubo * batch["eubo_coefficients"]).sum()
        loss.backward()
        return loss.item()


works = {
    "train-step": Training,
    "forward": lambda: Forward(settings["reference"]["batch"]),
    "forward:1x128": lambda: Forward(1),
    "matmul": Matmul,
    "rollouts": Rollouts,
    "spg-step": SpgStep,
}


def blas():
    """The BLAS library that this process has loaded for matrix products."""
    torch.mm(torch.ones(8, 8), torch.ones(8, 8))
    try:
        loaded = Path("/proc/self/maps").read_text()
    except OSError:
        return "unknown"
    found = re.findall(r"/(lib(?:openblas|mkl_rt|mkl_core|blis|blas|cblas|torch_cpu)[^/\s]*)$", loaded, re.MULTILINE)
    order = ("openblas", "mkl", "blis", "blas", "torch_cpu")
    return min(set(found), key=lambda name: next(i for i, part in enumerate(order) if part in name), default="unknown")


def peak_memory():
    """Peak memory in MiB. The value of getrusage would include the parent's memory at the time of the fork."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def main():
    if sys.argv[1] == "--describe":
        print(json.dumps({"version": torch.__version__, "blas": blas()}))
        return
    global settings
    settings = json.loads((folder / "settings.json").read_text())
    torch.manual_seed(0)
    ready = {}
    for line in sys.stdin:
        request = json.loads(line)
        work = request["work"]
        if work not in ready:
            ready[work] = works[work]()
        seconds, checks = [], []
        for _ in range(request["runs"]):
            start = time.perf_counter()
            check = ready[work].run()
            seconds.append(time.perf_counter() - start)
            checks.append(check())
        model = getattr(ready[work], "model", None)
        answer = {
            "seconds": seconds,
            "checks": checks,
            "parameters": model and sum(p.numel() for p in model.parameters()),
            "peakMemory": peak_memory(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
