#include "lockstep/ops/random.h"

#include <fmt/format.h>

#include "lockstep/core/random.h"
#include "lockstep/ops/apply.h"
#include "src/ops/checks.h"
#include "src/ops/in_place.h"

namespace lockstep {
namespace {

using kernels::Backend;
using kernels::RandomOp;

// The same key makes the same mask again: backward is the forward pass on the gradient.
struct Dropout {
  static constexpr const char* name = "dropout";
  double probability;
  core::RngKey key;

  Meta output(const Tensor& x) const { return x.meta(); }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    run(on, s, x.view(), {y.view()});
    return {};
  }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    run(on, s, g.view(), dx[0]);
  }

 private:
  void run(Backend& on, core::Stream& s, const View& in, const Sink& out) const {
    on.random({.op = RandomOp::dropout,
               .write = out.write,
               .key = &key,
               .in = in,
               .out = out.out,
               .a = probability},
              s);
  }
};

const Tensor& filled(RandomOp op, const Tensor& x, double a, double b) {
  const core::RngKey key = core::next_key();
  kernels::backend(x.device())
      .random({.op = op, .key = &key, .in = {}, .out = x.view(), .a = a, .b = b},
              core::current_stream(x.device()));
  x.mark_mutated();
  return x;
}

void check_range(const char* op, double low, double high) {
  check<UsageError>(low < high, [&] {
    return Complaint{fmt::format("{}: from {} to {}", op, low, high), "let low be below high"};
  });
}
void check_deviation(const char* op, double deviation) {
  check<UsageError>(deviation >= 0, [&] {
    return Complaint{fmt::format("{}: a deviation of {}", op, deviation), "use one of at least 0"};
  });
}

}  // namespace

Tensor dropout(const Tensor& x, double probability, bool training) {
  detail::check_floating("dropout", "x", x);
  check<UsageError>(probability >= 0 && probability < 1, [&] {
    return Complaint{fmt::format("dropout: probability {}", probability),
                     "use a probability of at least 0 and below 1"};
  });
  if (!training || probability == 0) return x;
  return apply(Dropout{probability, core::next_key()}, x);
}

Tensor uniform(const Shape& shape, const UniformOptions& options) {
  const Tensor x = empty(shape, {.dtype = options.dtype, .device = options.device});
  detail::check_floating("uniform", "the result", x);
  check_range("uniform", options.low, options.high);
  return filled(RandomOp::uniform, x, options.low, options.high);
}

Tensor normal(const Shape& shape, const NormalOptions& options) {
  const Tensor x = empty(shape, {.dtype = options.dtype, .device = options.device});
  detail::check_floating("normal", "the result", x);
  check_deviation("normal", options.deviation);
  return filled(RandomOp::normal, x, options.mean, options.deviation);
}

const Tensor& uniform_(const Tensor& x, double low, double high) {
  detail::check_target("uniform_", x);
  detail::check_floating("uniform_", "x", x);
  check_range("uniform_", low, high);
  return filled(RandomOp::uniform, x, low, high);
}

const Tensor& normal_(const Tensor& x, double mean, double deviation) {
  detail::check_target("normal_", x);
  detail::check_floating("normal_", "x", x);
  check_deviation("normal_", deviation);
  return filled(RandomOp::normal, x, mean, deviation);
}

}  // namespace lockstep
