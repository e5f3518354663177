#include "lockstep/autograd/gradcheck.h"

#include <cmath>
#include <sstream>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"

namespace lockstep {
namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// Fixed weights without a pattern, so that errors of different outputs do not cancel.
std::vector<double> weights_for(std::int64_t count) {
  std::vector<double> weights(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::sin(1.0 + 2.3 * static_cast<double>(i));
  }
  return weights;
}

double weighted_sum(const Function& f, const std::vector<Tensor>& inputs) {
  const NoGrad no_grad;
  const std::vector<double> values = f(inputs).to_vector<double>();
  const std::vector<double> weights = weights_for(static_cast<std::int64_t>(values.size()));
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i];
  return sum;
}

// Moves one element by `by`, whatever the strides.
void nudge(const Tensor& x, std::int64_t element, double by) {
  std::int64_t position = 0;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    position += element % x.shape()[axis] * x.strides()[axis];
    element /= x.shape()[axis];
  }
  x.data<double>()[position] += by;
  x.mark_mutated();
}

double slope_at(const Function& f, const std::vector<Tensor>& inputs, const Tensor& x,
                std::int64_t element, double step) {
  nudge(x, element, step);
  const double above = weighted_sum(f, inputs);
  nudge(x, element, -2 * step);
  const double below = weighted_sum(f, inputs);
  nudge(x, element, step);
  return (above - below) / (2 * step);
}

}  // namespace

GradcheckResult gradcheck(const Function& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  for (const Tensor& x : inputs) {
    check<DTypeError>(x.dtype() == DType::f64, [&] {
      return Complaint{"gradcheck: an input of " + std::string(name_of(x.dtype())),
                       "use f64 inputs: finite differences need the precision"};
    });
    consume_gradient(require_grad(x));
  }
  const Tensor result = f(inputs);
  backward(result, tensor(weights_for(result.elements()), result.shape(), {.dtype = DType::f64}));
  GradcheckResult outcome;
  double worst = 1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::vector<double> analytic(static_cast<std::size_t>(inputs[i].elements()), 0.0);
    if (has_gradient(inputs[i])) analytic = gradient(inputs[i]).to_vector<double>();
    for (std::size_t e = 0; e < analytic.size(); ++e) {
      const double numeric =
          slope_at(f, inputs, inputs[i], static_cast<std::int64_t>(e), options.step);
      const double allowed = options.tolerance * (1 + std::abs(numeric));
      const double excess = std::abs(analytic[e] - numeric) / allowed;
      if (excess <= worst) continue;
      worst = excess;
      std::ostringstream text;
      text.precision(12);
      text << "input " << i << ", element " << e << ": analytic " << analytic[e] << ", numeric "
           << numeric;
      outcome = {false, text.str()};
    }
  }
  return outcome;
}

}  // namespace lockstep
