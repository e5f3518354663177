// Compares gradients with central finite differences in double precision.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

struct GradcheckOptions {
  double step = 1e-6;
  double tolerance = 1e-6;  // absolute plus relative
};
struct GradcheckResult {
  bool is_correct = true;
  std::string difference;  // the worst input, element, analytic and numeric value
};

// `f` maps f64 leaves to one tensor of any shape; it must give the same values each time it is
// called.
GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace lockstep
