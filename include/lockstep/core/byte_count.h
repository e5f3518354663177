// How much memory a tensor needs.
#pragma once

#include <cstddef>
#include <optional>

#include "lockstep/base/dtype.h"
#include "lockstep/core/shape.h"

namespace lockstep::core {

// Bytes of a contiguous tensor; nothing where its sizes (each counted as at least 1) multiply to
// more than can be addressed.
std::optional<std::size_t> byte_count(const Shape& sizes, DType dtype);

}  // namespace lockstep::core
