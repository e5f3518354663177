#include "lockstep/nn/embedding.h"

#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/index.h"
#include "lockstep/ops/random.h"
#include "lockstep/tensor/create.h"
#include "src/nn/attributes.h"
#include "src/nn/check_sizes.h"

namespace lockstep::nn {

Embedding::Embedding(std::int64_t rows, std::int64_t width, const Options& options) {
  check_sizes("Embedding", {{"rows", rows}, {"width", width}});
  weight_ = empty({rows, width}, {options.dtype, options.device});
  normal_(weight_, 0, 1);
  require_grad(weight_);
}

Tensor Embedding::forward(const Tensor& index) { return gather(weight_, index); }

void Embedding::visit(Visitor& visitor) { visitor.parameter("weight", weight_); }

LayerSpec Embedding::layer() const {
  return {"embedding", of_dtype(weight_, {{"rows", weight_.size(0)}, {"width", weight_.size(1)}})};
}

}  // namespace lockstep::nn
