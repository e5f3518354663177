// Tensors as text, laid out as NumPy prints them.
#pragma once

#include <iosfwd>
#include <string>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

struct PrintOptions {
  int precision = 4;          // digits after the point of floating-point elements
  std::int64_t limit = 1000;  // above this many elements the middle of each axis is shown as ...
  int edge = 3;               // elements kept at each end of a shortened axis
};

std::string to_string(const Tensor& x, const PrintOptions& options = {});
std::ostream& operator<<(std::ostream& out, const Tensor& x);

}  // namespace lockstep
