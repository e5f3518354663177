#include "lockstep/optim/sgd.h"

#include "kernels/math/update.h"
#include "lockstep/base/error.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

namespace {

constexpr auto rule = kernels::math::Updates::id_of<kernels::math::Sgd>();

std::vector<std::string> state_names(const SgdOptions& options) {
  return options.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"};
}

}  // namespace

Sgd::Sgd(State parameters, const Options& options)
    : Sgd(one_group(std::move(parameters)), options) {}

Sgd::Sgd(const ParameterGroups& groups, const Options& options)
    : Optimizer(groups, options.lr, rule, state_names(options)), options_(options) {
  check_constant("sgd", "momentum", options.momentum, 0, unbounded);
  check_constant("sgd", "dampening", options.dampening, 0, unbounded);
  check_constant("sgd", "weight_decay", options.weight_decay, 0, unbounded);
  check<UsageError>(!options.nesterov || (options.momentum > 0 && options.dampening == 0), [] {
    return Complaint{"sgd: Nesterov's form without momentum, or with dampening",
                     "give a momentum above 0 and leave dampening at 0"};
  });
}

kernels::UpdateScalars Sgd::constants() const {
  return {.weight_decay = options_.weight_decay,
          .momentum = options_.momentum,
          .dampening = options_.dampening,
          .nesterov = options_.nesterov};
}

}  // namespace lockstep::optim
