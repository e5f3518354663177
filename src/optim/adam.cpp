#include "lockstep/optim/adam.h"

#include <limits>

#include "kernels/math/update.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

namespace {

constexpr auto rule = kernels::math::Updates::id_of<kernels::math::Adam>();

}  // namespace

Adam::Adam(State parameters, const Options& options)
    : Adam(one_group(std::move(parameters)), options) {}

Adam::Adam(const ParameterGroups& groups, const Options& options)
    : Optimizer(groups, options.lr, rule, {"first_moment", "second_moment"}), options_(options) {
  check_constant("adam", "beta1", options.beta1, 0, 1);
  check_constant("adam", "beta2", options.beta2, 0, 1);
  // Above 0 in f32 too: where no gradient ever came, the padding included, the step is 0 / epsilon.
  check_constant("adam", "epsilon", options.epsilon, std::numeric_limits<float>::min(), unbounded);
  check_constant("adam", "weight_decay", options.weight_decay, 0, unbounded);
}

kernels::UpdateScalars Adam::constants() const {
  return {.weight_decay = options_.weight_decay,
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .epsilon = options_.epsilon};
}

}  // namespace lockstep::optim
