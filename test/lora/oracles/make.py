"""Writes the adapters of this folder with the tools that trainers use, and what PyTorch makes of each.

    python make.py <base>

<base> holds `transformer` (the folder that `oracleFolder` of ../oracle-model.ts makes) and `in.safetensors` (`oracleInputs`).
Made with torch 2.13, Diffusers 0.42, PEFT 0.21 and LyCORIS 4.1. Each folder gets the adapter as its tool saves it,
`expected.safetensors` with the model's output, `scale` where it is not 1, and `in.safetensors` for another input.
"""

import os
import shutil
import sys

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from diffusers.training_utils import _collate_lora_metadata
from lycoris import LycorisNetwork, create_lycoris
from peft import IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

BASE = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
INPUTS = load_file(f"{BASE}/in.safetensors")
TARGETS = ["single_transformer_blocks.0.attn.to_q", "attn.to_add_out", "transformer_blocks.0.ff.net.2", "norm_out.linear"]
random = torch.Generator().manual_seed(5)


def normal(*shape, scale=0.2):
    return torch.randn(shape, generator=random) * scale


def model():
    return FluxTransformer2DModel.from_pretrained(f"{BASE}/transformer", torch_dtype=torch.float32).eval()


def folder(name):
    path = f"{HERE}/{name}"
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def expect(path, transformer, scale=1.0, latents=None):
    inputs = INPUTS if latents is None else {**INPUTS, "hidden_states": latents}
    with torch.no_grad():
        sample = transformer(**inputs, return_dict=False)[0]
    save_file({"sample": sample.contiguous()}, f"{path}/expected.safetensors")
    if latents is not None:
        save_file({"hidden_states": latents}, f"{path}/in.safetensors")
    if scale != 1:
        with open(f"{path}/scale", "w") as file:
            file.write(str(scale))


def peft(name, config, trained, amount=0.3, scale=1.0):
    path = folder(name)
    wrapped = get_peft_model(model(), config)
    for key, parameter in wrapped.named_parameters():
        if any(part in key for part in trained):
            keep = parameter.data if "magnitude" in key or "ia3" in key or "bias" in key else 0
            parameter.data = keep + normal(*parameter.shape, scale=amount)
    wrapped.eval().save_pretrained(path)
    os.remove(f"{path}/README.md")
    for layer in wrapped.modules():
        if scale != 1 and isinstance(layer, BaseTunerLayer):
            layer.scale_layer(scale)
    expect(path, wrapped.base_model.model, scale)


def lycoris(name, algorithm, amount=0.3, scale=1.0, **options):
    path = folder(name)
    LycorisNetwork.apply_preset({"enable_conv": False, "target_module": [], "target_name": TARGETS_LYCORIS})
    preset, LycorisNetwork.apply_preset = LycorisNetwork.apply_preset, classmethod(lambda cls, preset: None)
    transformer = model()
    network = create_lycoris(transformer, scale, algo=algorithm, **{"linear_dim": 2, "linear_alpha": 3, **options})
    LycorisNetwork.apply_preset = preset
    network.apply_to()
    network.eval()
    for key, parameter in network.named_parameters():
        relative = "dora_scale" in key or "rescale" in key
        change = normal(*parameter.shape, scale=amount)
        parameter.data = parameter.data * (1 + change) if relative else parameter.data + change
    expect(path, transformer, scale)
    if algorithm == "full":
        network.restore()
    tensors = {key: value.detach().clone().contiguous() for key, value in network.state_dict().items()}
    save_file(tensors, f"{path}/lora.safetensors")


TARGETS_LYCORIS = ["single_transformer_blocks.0.attn.to_q", "transformer_blocks.0.ff.net.2", "transformer_blocks.0.attn.to_add_out"]


def diffusers(name, tensors, scale=1.0, latents=None, others=None):
    path = folder(name)
    transformer = model()
    pipeline = FluxPipeline(None, None, None, None, None, None, transformer)
    save_file({**tensors, **(others or {})}, f"{path}/lora.safetensors")
    pipeline.load_lora_weights({key: value.clone() for key, value in tensors.items()}, adapter_name="a")
    if scale != 1:
        pipeline.set_adapters(["a"], [scale])
    expect(path, transformer, scale, latents)


def low_rank(name, rows, columns, down="lora_A", up="lora_B", rank=2):
    return {f"{name}.{down}.weight": normal(rank, columns), f"{name}.{up}.weight": normal(rows, rank)}


LORA = ["lora_A", "lora_B", "magnitude"]
peft("peft-dora", LoraConfig(r=2, lora_alpha=3.5, use_dora=True, target_modules=TARGETS), LORA)
peft("peft-dora-half", LoraConfig(r=2, lora_alpha=3, use_dora=True, target_modules=TARGETS[:2]), LORA, scale=0.5)
peft("peft-rslora", LoraConfig(r=2, lora_alpha=3, use_rslora=True, rank_pattern={"to_q": 5}, target_modules=TARGETS), LORA)
peft(
    "peft-patterns",
    LoraConfig(
        r=2,
        lora_alpha=4,
        target_modules=r"(single_)?transformer_blocks\.0\.attn\.(to_[qk]|add_v_proj)",
        alpha_pattern={r"^single.*\.to_q": 3, r"attn\.to_[kq]": 5, "add_v_proj": 1},
        rank_pattern={r"single_transformer_blocks\.\d+\.attn\.to_k": 3},
    ),
    LORA,
)
peft("peft-lora-bias", LoraConfig(r=2, lora_alpha=3, lora_bias=True, target_modules=TARGETS), LORA)
peft("peft-bias-all", LoraConfig(r=2, lora_alpha=3, bias="all", target_modules=TARGETS[:1]), [*LORA, "bias"], 0.1)
peft(
    "peft-modules-to-save",
    LoraConfig(r=2, target_modules=TARGETS[:1], modules_to_save=["proj_out", "norm_q"]),
    [*LORA, "modules_to_save"],
)
peft("peft-loha", LoHaConfig(r=2, alpha=3, target_modules=TARGETS[:3]), ["hada"], 0.6)
peft("peft-lokr", LoKrConfig(r=2, alpha=3, target_modules=TARGETS[:3]), ["lokr"], 0.4)
peft("peft-ia3", IA3Config(target_modules=TARGETS[:3], feedforward_modules=TARGETS[2:3]), ["ia3"])
peft("peft-oft", OFTConfig(oft_block_size=4, target_modules=TARGETS[:2]), ["oft_R"], 0.1)
peft("peft-oft-exact", OFTConfig(oft_block_size=4, use_cayley_neumann=False, block_share=True, target_modules=TARGETS[:2]), ["oft_R"])

lycoris("lycoris-locon", "lora", use_scalar=True)
lycoris("lycoris-dora-rows", "lora", dora_wd=True)
lycoris("lycoris-dora-columns", "lora", dora_wd=True, wd_on_output=False)
lycoris("lycoris-loha", "loha", dora_wd=True, wd_on_output=False)
lycoris("lycoris-lokr", "lokr", factor=4)
lycoris("lycoris-lokr-both", "lokr", linear_dim=1, factor=8, decompose_both=True)
lycoris("lycoris-lokr-full", "lokr", full_matrix=True)
lycoris("lycoris-full", "full", 0.05)
lycoris("lycoris-ia3", "ia3", scale=0.5)
lycoris("lycoris-ia3-input", "ia3", train_on_input=True)
lycoris("lycoris-glora", "glora")
lycoris("lycoris-oft", "diag-oft", linear_dim=4, rescaled=True, constraint=0.02, scale=0.5)

BLOCK = "lora_unet_double_blocks_0_"
KOHYA = {
    f"{BLOCK}img_attn_qkv": (96, 32),
    f"{BLOCK}txt_mlp_2": (32, 128),
    f"{BLOCK}img_mod_lin": (192, 32),
    "lora_unet_single_blocks_0_linear2": (32, 160),
}
kohya = {key: value for name, shape in KOHYA.items() for key, value in low_rank(name, *shape, "lora_down", "lora_up").items()}
text = low_rank("lora_te1_text_model_encoder_layers_0_mlp_fc1", 8, 8, "lora_down", "lora_up")
diffusers(
    "kohya",
    {**{key: value.bfloat16() for key, value in kohya.items()}, **{f"{name}.alpha": torch.tensor(4.0) for name in KOHYA}},
    scale=0.5,
    others={key: value * torch.nan for key, value in text.items()},
)
xlabs = {}
for block, rows in {"qkv_lora1": 96, "qkv_lora2": 96, "proj_lora1": 32, "proj_lora2": 32}.items():
    xlabs.update(low_rank(f"double_blocks.0.processor.{block}", rows, 32, "down", "up"))
xlabs.update(low_rank("single_blocks.0.processor.qkv_lora", 96, 32, "down", "up"))
xlabs.update(low_rank("single_blocks.0.processor.proj_lora", 32, 160, "down", "up"))
diffusers("xlabs", xlabs)
control = {f"transformer.{key}": value for key, value in low_rank("x_embedder", 32, 24).items()}
for name, rows in {"x_embedder": 32, "transformer_blocks.0.attn.to_q": 32, "norm_out.linear": 64}.items():
    if name != "x_embedder":
        control.update(low_rank(f"transformer.{name}", rows, 32))
    control[f"transformer.{name}.lora_B.bias"] = normal(rows)
for name in ["transformer_blocks.0.attn.norm_q", "transformer_blocks.0.attn.norm_added_k", "single_transformer_blocks.0.attn.norm_k"]:
    control[f"transformer.{name}.weight"] = 1 + normal(16)
diffusers("control", control, latents=normal(1, 6, 24, scale=1))
diffusers("narrow", {**low_rank("transformer.x_embedder", 32, 6), **low_rank("transformer.proj_out", 8, 32)})

path = folder("diffusers-metadata")
transformer = model()
settings = {"r": 2, "lora_alpha": 3, "use_rslora": True, "rank_pattern": {"to_q": 3}, "alpha_pattern": {"to_q": 9}}
transformer.add_adapter(LoraConfig(target_modules=TARGETS, **settings))
for key, parameter in transformer.named_parameters():
    if any(part in key for part in LORA):
        parameter.data = normal(*parameter.shape, scale=0.3)
FluxPipeline.save_lora_weights(
    path,
    transformer_lora_layers=get_peft_model_state_dict(transformer),
    **_collate_lora_metadata({"transformer": transformer}),
)
expect(path, transformer)
