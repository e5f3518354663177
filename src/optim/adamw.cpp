#include "lockstep/optim/adamw.h"

#include <limits>

#include "kernels/math/update.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

namespace {

constexpr auto rule = kernels::math::Updates::id_of<kernels::math::AdamW>();

}  // namespace

AdamW::AdamW(State parameters, const Options& options)
    : AdamW(one_group(std::move(parameters)), options) {}

AdamW::AdamW(const ParameterGroups& groups, const Options& options)
    : Optimizer(groups, options.lr, rule, {"first_moment", "second_moment"}), options_(options) {
  check_constant("adamw", "beta1", options.beta1, 0, 1);
  check_constant("adamw", "beta2", options.beta2, 0, 1);
  // Above 0 in f32 too: where no gradient ever came, the padding included, the step is 0 / epsilon.
  check_constant("adamw", "epsilon", options.epsilon, std::numeric_limits<float>::min(), unbounded);
  check_constant("adamw", "weight_decay", options.weight_decay, 0, unbounded);
}

kernels::UpdateScalars AdamW::constants() const {
  return {.weight_decay = options_.weight_decay,
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .epsilon = options_.epsilon};
}

}  // namespace lockstep::optim
