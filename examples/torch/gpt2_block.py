"""One block of GPT-2 small, forward and backward, in bf16 autocast, in plain PyTorch. Not here: the other eleven.

Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS = 768, 12


class Block(nn.Module):
    """[batch, length, 768] -> the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.both, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        parts = self.both(self.attention_norm(x)).view(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(found.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.down(F.gelu(self.up(self.feed_forward_norm(x)), approximate="tanh"))


def gradients(
    device: torch.device | str, dtype: torch.dtype | None, batch: int = 2, length: int = 256, exact: bool = False
) -> dict[str, Tensor]:
    """The loss and the gradients of input and parameters, on the host in float64; `dtype` None: no autocast."""
    torch.manual_seed(0)
    block, x = Block(), torch.randn(batch, length, WIDTH)
    if exact:
        block, x = block.double(), x.double()
    block, x = block.to(device), x.to(device).requires_grad_()
    kind = torch.device(device).type
    with torch.autocast(kind, dtype=dtype, enabled=dtype is not None):
        loss = block(x).float().square().mean() if not exact else block(x).square().mean()
    loss.backward()
    found = {"loss": loss.detach(), "input": x.grad, **{name: one.grad for name, one in block.named_parameters()}}
    return {name: value.cpu().double() for name, value in found.items()}


if __name__ == "__main__":
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    for name, value in gradients(device, torch.bfloat16).items():
        print(f"{name:<26} {value.norm().item():.5f}")
