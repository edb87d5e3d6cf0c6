"""Real models on real inputs, each checked against PyTorch on the CPU: a sentence encoder, a ResNet, a block of GPT-2.

A plain script: `python examples/demo_models.py` prints the errors; `supa run examples/demo_models.py` adds what the
launches would cost on a device. Exits with 1 if an error is above its limit.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "torch"))

import gpt2_block
import minilm
import resnet

_ROW = "{:<22} {:<34} {:>9} {:>9}   {}"


def sentence_encoder(device: torch.device) -> tuple[str, float, float]:
    """Vectors of eight sentences in fp32, against float64; unit vectors, so the error is absolute."""
    encoder, words = minilm.load()
    tokens, counts = minilm.batch(words)
    with torch.inference_mode():
        expected = encoder.double()(tokens, counts)
        found = encoder.float().to(device)(tokens.to(device), counts.to(device)).cpu().double()
    return f"fp32, {len(tokens)} sentences", (found - expected).abs().max().item(), 1e-5


def resnet_training(device: torch.device) -> tuple[str, float, float]:
    """The loss curve, against the CPU's, relative to its first value: both in fp32, so that they part slowly."""
    found, expected = resnet.train(device), resnet.train("cpu")
    if not found[-1] < found[0]:
        raise RuntimeError(f"the loss did not fall: {found}")
    error = max(abs(one - other) for one, other in zip(found, expected, strict=True)) / expected[0]
    return f"fp32, {resnet.STEPS} steps of {resnet.BATCH} digits", error, 1e-3


def gpt2_gradients(device: torch.device) -> tuple[str, float, float]:
    """Every gradient in bf16 autocast, against float64, relative to its norm: bf16 keeps 8 bits."""
    found, expected = gpt2_block.gradients(device, torch.bfloat16), gpt2_block.gradients("cpu", None, exact=True)
    error = max(((found[name] - value).norm() / value.norm()).item() for name, value in expected.items())
    return "bf16 autocast, 2 x 256, backward", error, 2e-2


MODELS: dict[str, Callable[[torch.device], tuple[str, float, float]]] = {
    "MiniLM encoder": sentence_encoder,
    "ResNet-18 on digits": resnet_training,
    "GPT-2 small block": gpt2_gradients,
}


def main() -> int:
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    wrong = 0
    print(_ROW.format("model", "what", "error", "limit", "(largest, against PyTorch on the CPU)"), flush=True)
    for name, run in MODELS.items():
        what, error, limit = run(device)
        wrong += not error <= limit  # a NaN is not
        print(_ROW.format(name, what, f"{error:.1e}", f"{limit:.1e}", "ok" if error <= limit else "WRONG"), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
