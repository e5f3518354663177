#include "lockstep/core/byte_count.h"

#include <algorithm>
#include <cstdint>

namespace lockstep::core {

std::optional<std::size_t> byte_count(const Shape& sizes, DType dtype) {
  auto bytes = static_cast<std::int64_t>(size_of(dtype));
  bool is_empty = false;
  for (const std::int64_t size : sizes) {
    is_empty = is_empty || size == 0;
    if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes)) return std::nullopt;
  }
  return is_empty ? 0 : static_cast<std::size_t>(bytes);
}

}  // namespace lockstep::core
