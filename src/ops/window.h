// Windows that slide over images.
#pragma once

#include "lockstep/ops/conv.h"

namespace lockstep::detail {

// UsageError for a window or stride below 1 or a negative padding.
kernels::Window window_of(const char* op, Extent size, Extent stride, const Padding& padding);
// The shape of the result for images [n, h, w, c] with `after` below and on the right; ShapeError
// where the window does not fit into one.
Shape windowed(const char* op, const Shape& images, const kernels::Window& window, Extent after,
               std::int64_t channels);

}  // namespace lockstep::detail
