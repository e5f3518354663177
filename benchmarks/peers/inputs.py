"""What both sides of a comparison start from: the weights and batches of a safetensors file."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path

import torch

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32}


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name, mapped copy-on-write and not yet read."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    (header_bytes,) = struct.unpack_from("<Q", mapped)
    header = json.loads(mapped[8 : 8 + header_bytes])
    header.pop("__metadata__", None)
    return {name: _tensor(mapped, 8 + header_bytes, entry) for name, entry in header.items()}


def _tensor(mapped: mmap.mmap, start: int, entry: dict) -> torch.Tensor:
    begin, end = entry["data_offsets"]
    dtype = _DTYPES[entry["dtype"]]
    if begin == end:
        return torch.empty(entry["shape"], dtype=dtype)
    flat = torch.frombuffer(mapped, dtype=dtype, count=(end - begin) // dtype.itemsize, offset=start + begin)
    return flat.reshape(entry["shape"])
