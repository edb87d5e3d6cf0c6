"""ResNet-18 trained for some steps on scikit-learn's handwritten digits (8 x 8 pixels, ten classes), in plain PyTorch.

The first convolution keeps the resolution, as is usual for small images. Not here: augmentation, a schedule.
Source: He et al., "Deep Residual Learning for Image Recognition", 2015.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS, BATCH, WIDTH = 4, 32, 64


def convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = convolution(inputs, outputs, 3, stride), convolution(outputs, outputs, 3, 1)
        self.across = nn.Identity() if stride == 1 and inputs == outputs else convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.across(x) + self.second(F.relu(self.first(x))))


class ResNet18(nn.Module):
    """Images [batch, 1, height, width] -> scores of ten classes."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        stages, inputs = [], width
        for stage in range(4):
            outputs = width << stage
            stages += [Residual(inputs, outputs, 2 if stage else 1), Residual(outputs, outputs, 1)]
            inputs = outputs
        self.stem, self.stages = convolution(1, width, 3, 1), nn.Sequential(*stages)
        self.head = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(F.relu(self.stem(x))).mean((2, 3)))


def digits() -> tuple[Tensor, Tensor]:
    """1797 images in 0..1, [count, 1, 8, 8], and their classes."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return torch.tensor(found.images, dtype=torch.float32)[:, None] / 16, torch.tensor(found.target)


def train(device: torch.device | str, steps: int = STEPS, width: int = WIDTH) -> list[float]:
    """The losses of `steps` steps; equal seeds, equal batches."""
    torch.manual_seed(0)
    model = ResNet18(width).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9, weight_decay=1e-4)
    images, classes = digits()
    losses = []
    for step in range(steps):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        loss = F.cross_entropy(model(images[rows].to(device)), classes[rows].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    for step, loss in enumerate(train(torch.accelerator.current_accelerator() or "cpu")):
        print(f"step {step}: loss {loss:.4f}")
