// Windows that slide over an image, with the margins that Keras's padding "same" means.
#pragma once

#include "src/programs/import_keras/layer_context.h"

namespace lockstep::programs {

// The result of windows that slide over one axis, and the margins that Keras's "same" adds.
struct Sliding {
  std::int64_t size = 0, before = 0, after = 0;
};

// Both axes of a window over the layer's input, and the input with its margin where that is uneven.
struct Windowed {
  Value input;
  Sizes padding = {0, 0};
  Sliding rows, columns;
};

// `value` fills an uneven margin, which takes a node of its own.
Windowed windowed(LayerContext& layer, const Sizes& window, const Sizes& stride, double value);

}  // namespace lockstep::programs
