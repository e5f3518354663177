// Windows that slide over an image, with the margins that Keras's padding "same" means.
#pragma once

#include "src/programs/import_keras/layer_context.h"

namespace lockstep::programs {

// The result of windows that slide over one axis, and the margins that Keras's "same" adds.
struct Sliding {
  std::int64_t size = 0, before = 0, after = 0;
};

// Both axes of a window over the layer's input.
struct Windowed {
  Sliding rows, columns;

  // As the attributes of a node.
  Sizes padding() const { return {rows.before, columns.before}; }
  Sizes padding_after() const { return {rows.after, columns.after}; }
};

Windowed windowed(const LayerContext& layer, const Sizes& window, const Sizes& stride,
                  const Sizes& dilation = {1, 1});

// Whether the layer's padding is "same"; IoError unless it is that or "valid".
bool is_padded_same(const LayerContext& layer);

}  // namespace lockstep::programs
