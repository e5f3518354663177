// IDX files, the format of the MNIST family, plain or compressed with gzip.
#pragma once

#include <filesystem>

#include "lockstep/tensor/tensor.h"

namespace lockstep::data {

// The whole file as a tensor of u8, i8, i32, f32 or f64. IoError names the file and what is wrong:
// missing, truncated, corrupt, another format, more or fewer elements than its header says.
Tensor read_idx(const std::filesystem::path& file);

}  // namespace lockstep::data
