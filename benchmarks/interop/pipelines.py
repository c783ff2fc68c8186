"""Tiny pipelines of every class with random weights, and what Diffusers draws with them in float32 on a CPU.

    python pipelines.py <folder> <flux1 tokenizers> <flux2 tokenizers> [name ...]

Each case is a folder: `pipeline/` as `save_pretrained` writes it, `case.json` (the call, by the names of tritc's library), pictures that
went in, `expected.safetensors` (`noise`: what `latents` takes; `result`: the last latents; `picture` [H, W, 3] in 0..1). The last line of
standard output is JSON: the versions.
"""
import json
import os
import sys

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    ChromaImg2ImgPipeline,
    ChromaPipeline,
    ChromaTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinKVPipeline,
    Flux2KleinPipeline,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    AutoTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

OUT, FLUX1, FLUX2, *WANTED = sys.argv[1:]
LATENTS, TEXT = 4, 24
PROMPT = "A red circle left of a blue square"
NEGATIVE = "blurry, low detail"


def lively(model, factor=1.5):
    """Random weights large enough that every part of the network counts, in values that bf16 holds. What a network computes when it
    is made, as Chroma its modulations' positions, is in no file, and stays as it is."""
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                p.mul_(factor)
            p.copy_(p.to(torch.bfloat16).to(torch.float32))
    return model.eval()


def picture(width, height, kind):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return Image.fromarray(((x * (5 + kind) + y * (3 + 2 * kind) + c * 40 + (x * y) % 17) % 256).astype(np.uint8))


def mask(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray((((x > width // 3) & (y < height // 2)) * 255).astype(np.uint8))


def without_spread(vae):
    """The posterior's mean is its sample."""
    last = vae.quant_conv if vae.quant_conv is not None else vae.encoder.conv_out
    with torch.no_grad():
        half = last.weight.shape[0] // 2
        last.weight[half:] = 0
        last.bias[half:] = -60
    return vae


def flux1_vae(channels=LATENTS):
    blocks = 4
    return without_spread(lively(AutoencoderKL(
        block_out_channels=(8,) * blocks, down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks, latent_channels=channels, norm_num_groups=4, layers_per_block=1,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159), 1.0))


def flux2_vae():
    blocks = 4
    vae = lively(AutoencoderKLFlux2(
        block_out_channels=(8,) * blocks, down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks, latent_channels=8, norm_num_groups=4, layers_per_block=1), 1.0)
    vae.bn.running_mean.uniform_(-0.3, 0.3)
    vae.bn.running_var.uniform_(0.5, 1.5)
    return without_spread(vae)


def clip(width=32):
    tokenizer = CLIPTokenizer.from_pretrained(f"{FLUX1}/tokenizer")
    model = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        hidden_act="quick_gelu", bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id))
    return tokenizer, lively(model)


def t5(width=32):
    tokenizer = T5TokenizerFast.from_pretrained(f"{FLUX1}/tokenizer_2")
    model = T5EncoderModel(T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=48, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"))
    return tokenizer, lively(model, 1.0)


def qwen3():
    tokenizer = AutoTokenizer.from_pretrained(f"{FLUX2}/tokenizer")
    model = Qwen3ForCausalLM(Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=28, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, tie_word_embeddings=True, rope_theta=1e6))
    return tokenizer, lively(model)


def scheduler(**config):
    return FlowMatchEulerDiscreteScheduler(**{"use_dynamic_shifting": True, "shift": 3.0, **config})


def flux1(cls, guidance=True, in_channels=4 * LATENTS, schedule=None):
    tokenizer, text_encoder = clip()
    tokenizer_2, text_encoder_2 = t5()
    transformer = lively(FluxTransformer2DModel(
        in_channels=in_channels, out_channels=4 * LATENTS, num_layers=2, num_single_layers=2, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=32, guidance_embeds=guidance, axes_dims_rope=(4, 6, 6)))
    return cls(
        scheduler=schedule or scheduler(), vae=flux1_vae(), text_encoder=text_encoder, tokenizer=tokenizer,
        text_encoder_2=text_encoder_2, tokenizer_2=tokenizer_2, transformer=transformer)


def as_trained(pipe):
    """Masks padding as Chroma was trained. Diffusers' pipeline gives its mask as numbers, which attention adds to the scores, so that
    padding is seen (huggingface/diffusers#12116, #13619)."""
    prepare = pipe._prepare_attention_mask
    pipe._prepare_attention_mask = lambda *args, **kwargs: prepare(*args, **kwargs).to(torch.bool)
    return pipe


def chroma(cls=ChromaPipeline):
    tokenizer, text_encoder = t5()
    transformer = lively(ChromaTransformer2DModel(
        in_channels=4 * LATENTS, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(4, 6, 6), approximator_num_channels=16, approximator_hidden_dim=24,
        approximator_layers=2), 1.0)
    return cls(
        scheduler=scheduler(), vae=flux1_vae(), text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer)


def klein(distilled, cls=Flux2KleinPipeline):
    tokenizer, text_encoder = qwen3()
    transformer = lively(Flux2Transformer2DModel(
        in_channels=32, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2, joint_attention_dim=48,
        axes_dims_rope=(4, 4, 4, 4), mlp_ratio=3.0, guidance_embeds=False, timestep_guidance_channels=32))
    return cls(
        scheduler=scheduler(), vae=flux2_vae(), text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer,
        is_distilled=distilled)


W, H = 64, 48
PACKED1 = (1, (W // 16) * (H // 16), 4 * LATENTS)
PLANES1 = (1, LATENTS, H // 8, W // 8)
PACKED2 = (1, 32, H // 16, W // 16)


def latents1():
    return torch.randn(PACKED1)


# name → pipeline, the form of its noise, Diffusers' call, and tritc's; `image` and so on are pictures of the call.
CASES = {
    "dev": (lambda: flux1(FluxPipeline), PACKED1, dict(guidance_scale=3.5), dict(guidance=3.5)),
    "schnell": (
        lambda: flux1(FluxPipeline, guidance=False, schedule=scheduler(use_dynamic_shifting=False, shift=1.0)),
        PACKED1, dict(guidance_scale=0.0), {}),
    "true-cfg": (
        lambda: flux1(FluxPipeline), PACKED1, dict(guidance_scale=1.0, true_cfg_scale=3.0, negative_prompt=NEGATIVE),
        dict(guidance=1.0, trueCfgScale=3.0, negativePrompt=NEGATIVE)),
    "image-to-image": (
        lambda: flux1(FluxImg2ImgPipeline), PLANES1, dict(image=picture(90, 70, 1), strength=0.6, guidance_scale=3.5),
        dict(strength=0.6, guidance=3.5)),
    "inpaint": (
        lambda: flux1(FluxInpaintPipeline), PLANES1,
        dict(image=picture(W, H, 1), mask_image=mask(W, H), strength=0.7, guidance_scale=3.5), dict(strength=0.7, guidance=3.5)),
    "fill": (
        lambda: flux1(FluxFillPipeline, in_channels=4 * (2 * LATENTS + 64)), PACKED1,
        dict(image=picture(90, 70, 1), mask_image=mask(90, 70), guidance_scale=30.0), dict(guidance=30.0)),
    "control": (
        lambda: flux1(FluxControlPipeline, in_channels=8 * LATENTS), PACKED1,
        dict(control_image=picture(90, 70, 2), guidance_scale=10.0), dict(guidance=10.0)),
    "kontext": (
        lambda: flux1(FluxKontextPipeline), PACKED1,
        dict(image=picture(W, H, 1), max_area=W * H, _auto_resize=False, guidance_scale=2.5), dict(guidance=2.5, autoResize=False)),
    "chroma": (
        chroma, PACKED1, dict(guidance_scale=4.0, negative_prompt=NEGATIVE), dict(guidance=4.0, negativePrompt=NEGATIVE)),
    "chroma-hidden": (
        lambda: as_trained(chroma()), PACKED1, dict(guidance_scale=4.0, negative_prompt=NEGATIVE),
        dict(guidance=4.0, negativePrompt=NEGATIVE, textPadding="hidden")),
    "chroma-image-to-image": (
        lambda: chroma(ChromaImg2ImgPipeline), PLANES1, dict(image=picture(90, 70, 1), strength=0.7, guidance_scale=4.0),
        dict(strength=0.7, guidance=4.0)),
    "klein": (lambda: klein(True), PACKED2, dict(guidance_scale=1.0), {}),
    "klein-base": (lambda: klein(False), PACKED2, dict(guidance_scale=4.0), dict(guidance=4.0)),
    "klein-references": (
        lambda: klein(True), PACKED2, dict(image=[picture(64, 64, 1), picture(96, 64, 2)], guidance_scale=1.0), {}),
    "klein-kv": (lambda: klein(True, Flux2KleinKVPipeline), PACKED2, {}, {}),
    "klein-kv-reference": (lambda: klein(True, Flux2KleinKVPipeline), PACKED2, dict(image=picture(90, 70, 1)), {}),
    "klein-kv-references": (
        lambda: klein(True, Flux2KleinKVPipeline), PACKED2, dict(image=[picture(64, 64, 1), picture(96, 64, 2)]), {}),
}


def noise_of(shape):
    """Image to image draws its noise itself, and takes none: this is what it gets."""
    noise = torch.randn(shape)
    for module in (
        diffusers.pipelines.flux.pipeline_flux_img2img, diffusers.pipelines.flux.pipeline_flux_inpaint,
        diffusers.pipelines.chroma.pipeline_chroma_img2img):
        module.randn_tensor = lambda *args, **kwargs: noise
    return noise


def run(name):
    make, shape, call, ours = CASES[name]
    torch.manual_seed(len(name))
    pipe = make()
    pipe.set_progress_bar_config(disable=True)
    folder = os.path.join(OUT, name)
    pipe.save_pretrained(os.path.join(folder, "pipeline"))
    noise = noise_of(shape)
    takes = shape != PLANES1
    last = {}

    def keep(_, __, ___, values):
        last["result"] = values["latents"].clone()
        return values

    drawn = pipe(
        prompt=PROMPT, width=W, height=H, num_inference_steps=4, max_sequence_length=TEXT, output_type="np",
        callback_on_step_end=keep, **({"latents": noise} if takes else {}), **call).images[0]
    if shape == PLANES1:
        packed = FluxPipeline._pack_latents(noise, 1, LATENTS, H // 8, W // 8)
    else:
        packed = noise if noise.ndim == 3 else noise.flatten(2).permute(0, 2, 1)
    result = last["result"]
    save_file({
        "noise": packed.contiguous(), "result": result.contiguous(),
        "picture": torch.from_numpy(np.ascontiguousarray(drawn)).to(torch.float32)}, os.path.join(folder, "expected.safetensors"))
    given = {}
    for key, to in (("image", "image"), ("mask_image", "mask"), ("control_image", "control")):
        pictures = call.get(key)
        for i, one in enumerate(pictures if isinstance(pictures, list) else [pictures] if pictures is not None else []):
            file = f"{to}{i}.png"
            one.save(os.path.join(folder, file))
            given.setdefault(to, []).append(file)
    # Pictures to draw after are tokens beside the noise, which are planned for.
    references = len(given.get("image", [])) if name == "kontext" or name.startswith("klein") else 0
    case = {"prompt": PROMPT, "width": W, "height": H, "steps": 4, "textLength": TEXT, **ours}
    with open(os.path.join(folder, "case.json"), "w") as file:
        json.dump({"pipeline": type(pipe).__name__, "request": case, "references": references, "pictures": given}, file)


for name in WANTED or CASES:
    run(name)
    print(name, flush=True)
print(json.dumps({"diffusers": diffusers.__version__, "transformers": transformers.__version__, "torch": torch.__version__}))
