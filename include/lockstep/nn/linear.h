// The dense layer.
#pragma once

#include <cstdint>

#include "lockstep/nn/activation.h"

namespace lockstep::nn {

struct LinearOptions {
  bool bias = true;
  DType dtype = DType::f32;
  Device device = {};
};

// x weight^T + bias: [..., in] -> [..., out]. Parameters: weight [out, in], bias [out], both
// uniform in
// +-1 / sqrt(in), as in PyTorch. UsageError unless in and out are positive.
class Linear : public FusingLayer {
 public:
  using Options = LinearOptions;
  Linear(std::int64_t in, std::int64_t out, const Options& options = {});

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined without one
  bool fuses(Activation) const override { return true; }
  Tensor forward_fused(const Tensor& x, Activation activation) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  Tensor weight_;
  Tensor bias_;
};

}  // namespace lockstep::nn
