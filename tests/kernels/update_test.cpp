#include "kernels/math/update.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/core/parallel_for.h"
#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::is_near;

struct State {
  Array parameter, gradient, first, second;

  State(DType dtype, std::int64_t count, std::int64_t offset, std::mt19937& generator) {
    for (Array* each : {&parameter, &gradient, &first, &second})
      *each = Array(dtype, {count}, {.offset = offset});
    parameter.fill_random(generator);
    gradient.fill_random(generator);
  }
  UpdateCall call(OpId rule, const UpdateScalars& scalars) {
    return {.rule = rule,
            .count = parameter.count(),
            .dtype = parameter.dtype(),
            .parameter = parameter.view().data,
            .gradient = gradient.view().data,
            .state = {first.view().data, second.view().data},
            .scalars = &scalars};
  }
};

class Update : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Update, testing::all_kernels, testing::name_of);

void run(const UpdateCall& call) { Update::backend().update(call, core::current_stream({})); }

// Three steps of PyTorch's SGD, as its documentation writes them.
void expect_sgd(UpdateScalars s, DType dtype, std::int64_t count, std::mt19937& generator) {
  State state(dtype, count, 3, generator);
  std::vector<double> p = state.parameter.values(), buffer(p.size());
  for (s.step = 1; s.step <= 3; ++s.step) {
    UpdateCall call = state.call(math::Updates::id_of<math::Sgd>(), s);
    if (s.momentum == 0) call.state[0] = nullptr;
    run(call);
    for (std::size_t i = 0; i < p.size(); ++i) {
      double g = state.gradient.at(static_cast<std::int64_t>(i)) * s.gradient_scale +
                 s.weight_decay * p[i];
      if (s.momentum != 0) {
        buffer[i] = s.step == 1 ? g : s.momentum * buffer[i] + (1 - s.dampening) * g;
        g = s.nesterov ? g + s.momentum * buffer[i] : buffer[i];
      }
      p[i] -= s.learning_rate * g;
      ASSERT_TRUE(is_near(state.parameter.at(static_cast<std::int64_t>(i)), p[i],
                          testing::tolerance_of(dtype)));
    }
  }
}

TEST_P(Update, SgdFollowsItsFormula) {
  std::mt19937 generator(1);
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t count : {0, 1, 15, 16, 17, 1000}) {
      expect_sgd({.learning_rate = 0.1}, dtype, count, generator);
      expect_sgd({.learning_rate = 0.1, .weight_decay = 0.01, .gradient_scale = 0.5}, dtype, count,
                 generator);
      expect_sgd({.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.25}, dtype, count,
                 generator);
      expect_sgd({.learning_rate = 0.1, .weight_decay = 0.01, .momentum = 0.9, .nesterov = true},
                 dtype, count, generator);
    }
  }
}

TEST_P(Update, AdamWFollowsItsFormula) {
  std::mt19937 generator(2);
  UpdateScalars s{.learning_rate = 0.01,
                  .weight_decay = 0.1,
                  .beta1 = 0.9,
                  .beta2 = 0.99,
                  .epsilon = 1e-8,
                  .gradient_scale = 2};
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t count : {1, 15, 16, 17, 1000}) {
      State state(dtype, count, 1, generator);
      std::vector<double> p = state.parameter.values(), first(p.size()), second(p.size());
      for (s.step = 1; s.step <= 3; ++s.step) {
        run(state.call(math::Updates::id_of<math::AdamW>(), s));
        const auto t = static_cast<double>(s.step);
        for (std::size_t i = 0; i < p.size(); ++i) {
          const double g = state.gradient.at(static_cast<std::int64_t>(i)) * s.gradient_scale;
          p[i] *= 1 - s.learning_rate * s.weight_decay;
          first[i] = s.beta1 * first[i] + (1 - s.beta1) * g;
          second[i] = s.beta2 * second[i] + (1 - s.beta2) * g * g;
          const double root = std::sqrt(second[i]) / std::sqrt(1 - std::pow(s.beta2, t));
          p[i] -= s.learning_rate / (1 - std::pow(s.beta1, t)) * first[i] / (root + s.epsilon);
          ASSERT_TRUE(is_near(state.parameter.at(static_cast<std::int64_t>(i)), p[i],
                              testing::tolerance_of(dtype)));
        }
      }
    }
  }
}

TEST_P(Update, BitsDoNotDependOnCutAlignmentThreadsOrClaimsExact) {
  const UpdateScalars s{.learning_rate = 0.01,
                        .weight_decay = 0.1,
                        .momentum = 0.9,
                        .beta1 = 0.9,
                        .beta2 = 0.99,
                        .epsilon = 1e-8};
  for (std::size_t rule = 0; rule < math::Updates::size; ++rule) {
    const auto id = static_cast<OpId>(rule);
    std::vector<std::uint8_t> first;
    for (const int threads : {1, 2, 3}) {
      core::use_threads(threads);
      std::mt19937 generator(3);
      State state(DType::f32, 100001, 5 * threads, generator);
      run(state.call(id, s));
      if (threads == 1) first = state.parameter.bytes();
      EXPECT_EQ(state.parameter.bytes(), first);
    }
    std::mt19937 generator(3);
    State state(DType::f32, 100001, 0, generator);
    for (std::int64_t begin = 0, n = 1; begin < 100001; begin += n, n = n * 3 + 1) {
      UpdateCall call = state.call(id, s);
      call.count = std::min(n, 100001 - begin);
      call.claims_gradient = n % 2 == 0;
      call.parameter = static_cast<float*>(call.parameter) + begin;
      call.gradient = static_cast<const float*>(call.gradient) + begin;
      for (void*& each : call.state) each = static_cast<float*>(each) + begin;
      run(call);
    }
    EXPECT_EQ(state.parameter.bytes(), first);
  }
  core::use_threads(1);
}

// The bits are those of a copy, so that it does not matter who made a shadow.
TEST_P(Update, WritesTheShadowThatACopyWouldBeExact) {
  const UpdateScalars s{
      .learning_rate = 0.01, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
  std::mt19937 generator(5);
  for (const DType dtype : {DType::bf16, DType::f16}) {
    for (std::size_t rule = 0; rule < math::Updates::size; ++rule) {
      for (const std::int64_t count : {1, 15, 16, 2049, 100001}) {
        State state(DType::f32, count, 3, generator);
        state.gradient.set(count / 2, std::nan(""));
        Array shadow(dtype, {count}, {.offset = 1}), copied(dtype, {count});
        UpdateCall call = state.call(static_cast<OpId>(rule), s);
        call.shadow = shadow.view().data;
        call.shadow_dtype = dtype;
        call.claims_gradient = count == 2049;
        run(call);
        backend().copy({.in = state.parameter.view(), .out = copied.view()},
                       core::current_stream({}));
        EXPECT_EQ(shadow.bytes(), copied.bytes()) << name_of(dtype) << " " << count;
      }
    }
  }
}

TEST_P(Update, NanInTheGradientReachesTheParameter) {
  std::mt19937 generator(4);
  const UpdateScalars s{
      .learning_rate = 0.01, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
  for (std::size_t rule = 0; rule < math::Updates::size; ++rule) {
    State state(DType::f32, 20, 0, generator);
    state.gradient.set(19, std::numeric_limits<double>::quiet_NaN());
    run(state.call(static_cast<OpId>(rule), s));
    for (std::int64_t i = 0; i < 20; ++i)
      EXPECT_EQ(state.parameter.at(i) != state.parameter.at(i), i == 19);
  }
}

}  // namespace
}  // namespace lockstep::kernels
