// Random numbers and dropout: one counter, four elements a step.
#pragma once

#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "kernels/math/random.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

inline constexpr int of_a_counter = 4;  // elements that a counter's words make

template <class T> struct RandomArguments {
  using A = math::Real<T>;

  Walk<2> walk;  // out, in; in the order of logical elements
  core::RngKey key;
  T* out;
  const T* in;  // dropout
  A a, b;       // low and width; mean and deviation; b of dropout: 1 / (1 - rate)
  A most;       // uniform
  std::uint64_t threshold;
  bool is_added;
};

template <class T, RandomOp op> struct RandomStep {
  using A = math::Real<T>;

  RandomArguments<T> a;

  LS_HD void operator()(std::uint32_t counter) const {
    A values[of_a_counter];
    make(a.key.words(counter), values);
    for (int k = 0; k < of_a_counter; ++k) {
      const std::uint32_t i = counter * of_a_counter + static_cast<std::uint32_t>(k);
      if (i >= a.walk.steps) break;
      std::int64_t at[2];
      a.walk.find(i, at);
      A value = values[k];
      if constexpr (op == RandomOp::dropout) {
        // What is dropped is 0, whatever it was.
        value = value == A(0) ? A(0) : math::converted<A>(a.in[at[1]]) * value;
      }
      if (a.is_added) value += math::converted<A>(a.out[at[0]]);
      a.out[at[0]] = math::converted<T>(value);
    }
  }

 private:
  // The elements that the words make; of dropout the factors of its input.
  LS_HD void make(const core::Words& words, A (&values)[of_a_counter]) const {
    for (int k = 0; k < of_a_counter; k += 2) {
      if constexpr (op == RandomOp::uniform) {
        values[k] = math::uniform(words[k], a.a, a.b, a.most);
        values[k + 1] = math::uniform(words[k + 1], a.a, a.b, a.most);
      } else if constexpr (op == RandomOp::normal) {
        const A radius = math::radius(math::radius_unit<A>(words[k]), a.b);
        const A angle = math::angle<A>(words[k + 1]);
        values[k] = a.a + radius * std::cos(angle);
        values[k + 1] = a.a + radius * std::sin(angle);
      } else {
        values[k] = words[k] >= a.threshold ? a.b : A(0);
        values[k + 1] = words[k + 1] >= a.threshold ? a.b : A(0);
      }
    }
  }
};

template <RandomOp op, class T, class On>
void random_of(const On& on, const RandomArguments<T>& a) {
  on.for_steps((a.walk.steps + of_a_counter - 1) / of_a_counter, RandomStep<T, op>{a});
  on.launched("random", op == RandomOp::dropout ? "dropout" : "");
}

template <class T, class On> void random_elements(const On& on, const RandomCall& call) {
  using A = math::Real<T>;
  Loop<2> loop = loop_over<2>({&call.out, call.op == RandomOp::dropout ? &call.in : &call.out});
  loop.merge();
  RandomArguments<T> a{.walk = walk_of(loop, 1),
                       .key = *call.key,
                       .out = call.out.as<T>(),
                       .in = call.in.as<const T>(),
                       .a = static_cast<A>(call.a),
                       .b = static_cast<A>(call.b),
                       .is_added = call.write == Write::add};
  switch (call.op) {
    case RandomOp::uniform:
      a.b = static_cast<A>(call.b - call.a);
      a.most = math::just_below<T>(call.b);
      return random_of<RandomOp::uniform>(on, a);
    case RandomOp::normal:
      return random_of<RandomOp::normal>(on, a);
    case RandomOp::dropout:
      a.b = static_cast<A>(1 / (1 - call.a));
      a.threshold = math::dropout_threshold(call.a);
      return random_of<RandomOp::dropout>(on, a);
  }
}

template <class On> void random_on(const On& on, const RandomCall& call) {
  if (call.out.elements() == 0) return;
  if (call.out.elements() > most_elements) {
    fail("random: more than 2^31 elements at once", "fill parts of the tensor");
  }
  switch (call.out.dtype) {
    case DType::f64:
      return random_elements<double>(on, call);
    case DType::f32:
      return random_elements<float>(on, call);
    case DType::f16:
      return random_elements<float16>(on, call);
    case DType::bf16:
      return random_elements<bfloat16>(on, call);
    default:
      fail("random: the result is not of a floating-point type", "give f32, f64, f16 or bf16");
  }
}

}  // namespace lockstep::kernels::cuda
