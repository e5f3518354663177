"""The workloads as PyTorch programs: one class each, everything that differs between them."""

from __future__ import annotations

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


class Workload:
    """A model with its loss, its optimizer and the way its inputs are laid out for PyTorch."""

    batch_per_rank: int
    sample_shape: tuple[int, ...]
    classes: int

    def model(self) -> nn.Module:
        raise NotImplementedError

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(output, target)

    def optimizer(self, model: nn.Module, fused: bool) -> torch.optim.Optimizer:
        raise NotImplementedError

    def weights(self, stored: Tensors) -> Tensors:
        """The stored parameters (convolutions OHWI, features NHWC) as this model's state."""
        return stored

    def random_inputs(self, batch: int, batches: int = 4) -> Tensors:
        """Batches of noise, for a run that is compared with nothing."""
        random = torch.Generator().manual_seed(1)
        return {
            "batch.x": torch.randn(batches, batch, *self.sample_shape, generator=random),
            "batch.y": torch.randint(self.classes, (batches, batch), generator=random),
        }


class Mlp(Workload):
    batch_per_rank = 32
    sample_shape = (784,)
    classes = 10

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))

    def optimizer(self, model: nn.Module, fused: bool) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.05, fused=fused)


class Cnn(Workload):
    batch_per_rank = 64
    sample_shape = (28, 28, 1)
    classes = 10

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip

    def optimizer(self, model: nn.Module, fused: bool) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=fused)

    def weights(self, stored: Tensors) -> Tensors:
        state = {name: _oihw(tensor) for name, tensor in stored.items()}
        state["7.weight"] = _flattened_oihw(stored["7.weight"], height=7, width=7)
        return state


WORKLOADS: dict[str, type[Workload]] = {"mlp": Mlp, "cnn": Cnn}


def _oihw(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor


def _flattened_oihw(weight: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Weights of a Linear behind a Flatten: its input features from NHWC to NCHW order."""
    return _oihw(weight.reshape(weight.shape[0], height, width, -1)).flatten(1)
