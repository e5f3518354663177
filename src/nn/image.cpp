#include "lockstep/nn/image.h"

#include "lockstep/ops/reduce.h"
#include "lockstep/ops/views.h"
#include "src/nn/attributes.h"

namespace lockstep::nn {

LayerSpec Pad2d::layer() const {
  return {"pad2d",
          {{"before", sizes_of(options_.before)},
           {"after", sizes_of(options_.after)},
           {"value", options_.value}}};
}

Tensor Crop2d::forward(const Tensor& x) {
  const Tensor rows = slice(x, 1, before_.height, x.size(1) - after_.height);
  return contiguous(slice(rows, 2, before_.width, x.size(2) - after_.width));
}

LayerSpec Crop2d::layer() const {
  return {"crop2d", {{"before", sizes_of(before_)}, {"after", sizes_of(after_)}}};
}

Tensor Upsample2d::forward(const Tensor& x) {
  const std::int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3);
  const Tensor pixels = reshape(x, {n, h, 1, w, 1, c});
  return reshape(expand(pixels, {n, h, factor_.height, w, factor_.width, c}),
                 {n, h * factor_.height, w * factor_.width, c});
}

LayerSpec Upsample2d::layer() const { return {"upsample2d", {{"factor", sizes_of(factor_)}}}; }

Tensor GlobalAvgPool2d::forward(const Tensor& x) {
  return mean(x, {1, 2}, {.keep_dims = keep_dims_});
}

Tensor GlobalMaxPool2d::forward(const Tensor& x) {
  return max(x, {1, 2}, {.keep_dims = keep_dims_});
}

}  // namespace lockstep::nn
