#include "lockstep/optim/rmsprop.h"

#include <limits>

#include "kernels/math/update.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

namespace {

constexpr auto rule = kernels::math::Updates::id_of<kernels::math::RmsProp>();

std::vector<std::string> state_names(const RmsPropOptions& options) {
  std::vector<std::string> names = {"square_average"};
  if (options.momentum != 0) names.emplace_back("momentum");
  return names;
}

}  // namespace

RmsProp::RmsProp(State parameters, const Options& options)
    : RmsProp(one_group(std::move(parameters)), options) {}

RmsProp::RmsProp(const ParameterGroups& groups, const Options& options)
    : Optimizer(groups, options.lr, rule, state_names(options)), options_(options) {
  check_constant("rmsprop", "alpha", options.alpha, 0, 1);
  // Above 0 in f32 too: where no gradient ever came, the padding included, the step is 0 / epsilon.
  check_constant("rmsprop", "epsilon", options.epsilon, std::numeric_limits<float>::min(),
                 unbounded);
  check_constant("rmsprop", "weight_decay", options.weight_decay, 0, unbounded);
  check_constant("rmsprop", "momentum", options.momentum, 0, unbounded);
}

kernels::UpdateScalars RmsProp::constants() const {
  return {.weight_decay = options_.weight_decay,
          .momentum = options_.momentum,
          .beta2 = options_.alpha,
          .epsilon = options_.epsilon};
}

}  // namespace lockstep::optim
