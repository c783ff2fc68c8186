"""PyTorch's side of the GPU benchmark: bf16 linears through cuBLAS, scaled_dot_product_attention, and a FLUX.1-dev
transformer of random bf16 weights, eager and compiled.

    python3 peers.py -o peers.json [--steps 50] [--dry-run]

--dry-run builds a tiny model on the CPU and runs everything once.
"""

import argparse
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, HEAD, MLP = 3072, 24, 128, 12288
LINEARS = [(WIDTH, 3 * WIDTH), (WIDTH, 7 * WIDTH), (5 * WIDTH, WIDTH), (4 * WIDTH, WIDTH)]


def milliseconds(run, device, repeats=30, warm_up=5):
    """Median time of one call: on a GPU between events around each, as the other side's kernels are timed."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repeats):
        if device == "cpu":
            start = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - start))
            continue
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        run()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last))
    return statistics.median(times)


def kernels(device, scale, **timing):
    """Milliseconds of single operations; `scale` divides every size."""
    found = {}
    for m in (4096, 4608):
        for k, n in LINEARS:
            x = torch.randn(m // scale, k // scale, device=device, dtype=torch.bfloat16)
            w = torch.randn(n // scale, k // scale, device=device, dtype=torch.bfloat16)
            found[f"linear {m}x{k}x{n}"] = milliseconds(lambda: F.linear(x, w), device, **timing)
    tokens = 4608 // scale
    q, k, v = (torch.randn(1, HEADS, tokens, HEAD, device=device, dtype=torch.bfloat16) for _ in range(3))
    found["attention 4608"] = milliseconds(lambda: F.scaled_dot_product_attention(q, k, v), device, **timing)
    return found


class Modulation(nn.Module):
    def __init__(self, width, parts):
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, vector):
        return self.linear(F.silu(vector))[:, None].chunk(self.parts, dim=-1)


class Heads(nn.Module):
    """q, k and v of a stream, normalized and split into heads."""

    def __init__(self, width):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm, self.k_norm = nn.RMSNorm(HEAD, eps=1e-6), nn.RMSNorm(HEAD, eps=1e-6)

    def split(self, joint):
        q, k, v = (part.unflatten(-1, (-1, HEAD)).transpose(1, 2) for part in joint.chunk(3, dim=-1))
        return self.q_norm(q), self.k_norm(k), v

    def forward(self, x):
        return self.split(self.qkv(x))


def rotate(x, cos, sin):
    pairs = x.float().unflatten(-1, (-1, 2))
    a, b = pairs[..., 0], pairs[..., 1]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2).to(x.dtype)


def attend(q, k, v, cos, sin):
    y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v)
    return y.transpose(1, 2).flatten(2)


class DoubleBlock(nn.Module):
    def __init__(self, width, mlp):
        super().__init__()
        self.modulations = nn.ModuleList(Modulation(width, 6) for _ in range(2))
        self.heads = nn.ModuleList(Heads(width) for _ in range(2))
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, mlp), nn.GELU(approximate="tanh"), nn.Linear(mlp, width)) for _ in range(2)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)

    def forward(self, txt, img, vector, cos, sin):
        streams = [txt, img]
        parts = [modulation(vector) for modulation in self.modulations]
        heads = [
            head(self.norm(x) * (1 + part[1]) + part[0]) for head, x, part in zip(self.heads, streams, parts)
        ]
        q, k, v = (torch.cat(pair, dim=2) for pair in zip(*heads))
        y = attend(q, k, v, cos, sin)
        rows = [y[:, : txt.shape[1]], y[:, txt.shape[1] :]]
        results = []
        for x, part, out, mlp, row in zip(streams, parts, self.outs, self.mlps, rows):
            x = x + part[2] * out(row)
            results.append(x + part[5] * mlp(self.norm(x) * (1 + part[4]) + part[3]))
        return results


class SingleBlock(nn.Module):
    def __init__(self, width, mlp):
        super().__init__()
        self.modulation = Modulation(width, 3)
        self.heads = Heads(width)
        self.heads.qkv = None
        self.first = nn.Linear(width, 3 * width + mlp)
        self.second = nn.Linear(width + mlp, width)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.width = width

    def forward(self, x, vector, cos, sin):
        shift, scale, gate = self.modulation(vector)
        joint = self.first(self.norm(x) * (1 + scale) + shift)
        qkv, up = joint.split((3 * self.width, joint.shape[-1] - 3 * self.width), dim=-1)
        y = attend(*self.heads.split(qkv), cos, sin)
        return x + gate * self.second(torch.cat((y, F.gelu(up, approximate="tanh")), dim=-1))


class Embedder(nn.Sequential):
    def __init__(self, inputs, width):
        super().__init__(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))


def sinusoid(t):
    frequencies = torch.exp(-math.log(10000) * torch.arange(128, device=t.device, dtype=torch.float32) / 128)
    angles = 1000 * t.float()[:, None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class Flux(nn.Module):
    """FLUX.1-dev's transformer."""

    def __init__(self, width=WIDTH, mlp=MLP, doubles=19, singles=38):
        super().__init__()
        self.img, self.txt = nn.Linear(64, width), nn.Linear(4096, width)
        self.time, self.guidance, self.pooled = Embedder(256, width), Embedder(256, width), Embedder(768, width)
        self.doubles = nn.ModuleList(DoubleBlock(width, mlp) for _ in range(doubles))
        self.singles = nn.ModuleList(SingleBlock(width, mlp) for _ in range(singles))
        self.last = Modulation(width, 2)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.out = nn.Linear(width, 64)

    def forward(self, latents, context, pooled, t, guidance, cos, sin):
        dtype = latents.dtype
        vector = self.time(sinusoid(t).to(dtype)) + self.guidance(sinusoid(guidance).to(dtype)) + self.pooled(pooled)
        img, txt = self.img(latents), self.txt(context)
        for block in self.doubles:
            txt, img = block(txt, img, vector, cos, sin)
        x = torch.cat((txt, img), dim=1)
        for block in self.singles:
            x = block(x, vector, cos, sin)
        shift, scale = self.last(vector)
        return self.out(self.norm(x[:, txt.shape[1] :]) * (1 + scale) + shift)


def rope(text, side, device):
    ids = torch.zeros(text + side * side, 3)
    ids[text:, 1] = torch.arange(side).repeat_interleave(side)
    ids[text:, 2] = torch.arange(side).repeat(side)
    angles = [
        ids[:, axis, None] * 10000 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        for axis, size in enumerate((16, 56, 56))
    ]
    angle = torch.cat(angles, dim=-1).to(device)
    return angle.cos().float(), angle.sin().float()


@torch.no_grad()
def model(flux, step, steps, side, text, device, name):
    """Times a picture of `steps` Euler steps."""
    tokens = side * side
    cos, sin = rope(text, side, device)
    random = lambda *shape: torch.randn(*shape, device=device, dtype=torch.bfloat16)
    latents, context, pooled = random(1, tokens, 64), random(1, text, 4096), random(1, 768)
    guidance = torch.full((1,), 3.5, device=device)
    sigmas = torch.linspace(1, 0, steps + 1).tolist()

    def picture(x):
        times = []
        for now, after in zip(sigmas, sigmas[1:]):
            start = time.perf_counter()
            x = x + (after - now) * step(flux, x, context, pooled, torch.full((1,), now, device=device), guidance, cos, sin)
            if device != "cpu":
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - start))
        return x, times

    picture(latents)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    x, times = picture(latents)
    seconds = time.perf_counter() - start
    assert torch.isfinite(x).all(), f"{name}: values that are not finite"
    peak = torch.cuda.max_memory_allocated() if device != "cpu" else 0
    return {"name": name, "stepMilliseconds": statistics.median(times), "seconds": seconds, "deviceBytes": peak}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    dry = options.dry_run
    device = "cpu" if dry else "cuda"
    torch.manual_seed(0)
    found = {"torch": torch.__version__}
    found["kernels"] = kernels(device, 64, repeats=1, warm_up=0) if dry else kernels(device, 1)
    sizes = {"width": 256, "mlp": 512, "doubles": 1, "singles": 1} if dry else {}
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        flux = Flux(**sizes).eval()
        torch.set_default_dtype(torch.float32)
    steps, side, text = (2, 4, 8) if dry else (options.steps, 64, 512)
    arguments = (steps, side, text, device)
    eager = lambda flux, *inputs: flux(*inputs)
    compiled = torch.compile(flux, mode="max-autotune-no-cudagraphs") if not dry else flux
    found["models"] = [
        model(flux, eager, *arguments, "PyTorch bf16, eager"),
        model(flux, lambda _, *inputs: compiled(*inputs), *arguments, "PyTorch bf16, torch.compile"),
    ]
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)


main()
