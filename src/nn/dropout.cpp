#include "lockstep/nn/dropout.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "lockstep/ops/random.h"

namespace lockstep::nn {

Dropout::Dropout(double probability) : probability_(probability) {
  check<UsageError>(0 <= probability && probability < 1, [&] {
    return Complaint{fmt::format("Dropout: the probability is {}", probability),
                     "give one in [0, 1)"};
  });
}

Tensor Dropout::forward(const Tensor& x) { return dropout(x, probability_, is_training()); }

}  // namespace lockstep::nn
