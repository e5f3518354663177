#include "src/parallel/slow_arithmetic.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/kernels/registry.h"
#include "lockstep/obs/log.h"

namespace lockstep::parallel {

void warn_of_slow_arithmetic(const optim::Optimizer& optimizer) {
  const auto is_slow = [](const auto& named) {
    const Tensor& parameter = named.second;
    return parameter.shadow() &&
           !kernels::backend(parameter.device()).multiplies(parameter.shadow()->dtype);
  };
  const State& parameters = optimizer.parameters();
  const auto slow = std::find_if(parameters.begin(), parameters.end(), is_slow);
  if (slow == parameters.end()) return;
  obs::warning(fmt::format(
      "{} computes in {}, which {} multiplies as f32 here: the results are right, but slower than "
      "those of f32",
      slow->first, name_of(slow->second.shadow()->dtype), name_of(slow->second.device())));
}

}  // namespace lockstep::parallel
