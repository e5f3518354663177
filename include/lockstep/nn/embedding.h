// Rows of a table, picked by number.
#pragma once

#include <cstdint>

#include "lockstep/nn/module.h"

namespace lockstep::nn {

struct EmbeddingOptions {
  DType dtype = DType::f32;
  Device device = {};
};

// i64 numbers [...] in [0, rows) -> [..., width]. Parameter: weight [rows, width], normal with
// deviation 1, as in PyTorch. UsageError unless rows and width are positive.
class Embedding : public Module {
 public:
  using Options = EmbeddingOptions;
  Embedding(std::int64_t rows, std::int64_t width, const Options& options = {});

  const Tensor& weight() const { return weight_; }
  Tensor forward(const Tensor& index) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  Tensor weight_;
};

}  // namespace lockstep::nn
