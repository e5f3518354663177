// Every pointwise op for elements of one type, a few of them a step.
#pragma once

#include "kernels/cuda/pack.h"
#include "kernels/cuda/walk.h"
#include "kernels/math/element.h"
#include "kernels/math/pointwise.h"

namespace lockstep::kernels::cuda {

template <class T> struct PointwiseArguments {
  Walk<5> walk;
  T* out;
  const T* in[4];
  bool is_constant[4];  // along a step
  bool is_added;
  math::Scalars scalars;
};

template <class Op, Pass pass, class A> LS_HD A element(const A (&in)[4], math::Scalars scalars) {
  if constexpr (Op::inputs == 1 && pass == Pass::value) {
    return Op::value(in[0], scalars);
  } else if constexpr (Op::inputs == 1) {
    return in[2] * Op::slope(in[0], in[1], scalars);
  } else if constexpr (pass == Pass::value) {
    return Op::value(in[0], in[1]);
  } else if constexpr (pass == Pass::slope) {
    return in[3] * Op::slope_a(in[0], in[1], in[2]);
  } else {
    return in[3] * Op::slope_b(in[0], in[1], in[2]);
  }
}

// Whether input k is read: in a slope pass the op says which values it needs.
template <class Op, Pass pass> constexpr bool reads(int k) {
  if (pass == Pass::value || k == Op::inputs + 1) return true;
  return k == Op::inputs ? Op::uses_output : Op::uses_input;
}

template <class Op, Pass pass, class T, int width> struct PointwiseStep {
  using A = math::Real<T>;
  static constexpr int inputs = pass == Pass::value ? Op::inputs : Op::inputs + 2;

  PointwiseArguments<T> a;

  LS_HD void operator()(std::uint32_t i) const {
    std::int64_t at[5];
    a.walk.find(i, at);
    Pack<T, width> in[inputs];
    for (int k = 0; k < inputs; ++k) {
      if (reads<Op, pass>(k)) in[k] = loaded<width>(a.in[k] + at[k + 1], a.is_constant[k]);
    }
    auto& place = *reinterpret_cast<Pack<T, width>*>(a.out + at[0]);
    Pack<T, width> out = {};
    if (a.is_added) out = place;
    for (int v = 0; v < width; ++v) {
      A values[4] = {};
      for (int k = 0; k < inputs; ++k) {
        if (reads<Op, pass>(k)) values[k] = math::converted<A>(in[k].values[v]);
      }
      const A result = element<Op, pass>(values, a.scalars);
      out.values[v] = math::converted<T>(
          a.is_added ? static_cast<A>(math::converted<A>(out.values[v]) + result) : result);
    }
    place = out;
  }
};

// What is computed for integers too.
template <class Op>
inline constexpr bool is_integral_op =
    std::is_same_v<Op, math::Neg> || std::is_same_v<Op, math::Affine> ||
    std::is_same_v<Op, math::Add> || std::is_same_v<Op, math::Sub> || std::is_same_v<Op, math::Mul>;

template <class Op, Pass pass, class T> constexpr bool has_pointwise() {
  if (!std::is_floating_point_v<math::Real<T>>) return is_integral_op<Op> && pass == Pass::value;
  return pass != Pass::slope_b || Op::inputs == 2;
}

template <class Op, Pass pass, class T, class On>
void run_pointwise(const On& on, const PointwiseCall& call) {
  constexpr int inputs = PointwiseStep<Op, pass, T, 1>::inputs;
  constexpr int width = pack_width<T>;
  // A view without data is one that the op does not read: any valid address will do.
  const View* views[5] = {&call.out};
  for (int k = 0; k < 4; ++k) {
    const bool is_there = k < inputs && call.in[k].data != nullptr;
    views[k + 1] = &call.in[is_there ? k : inputs - 1];
  }
  const auto all = sorted_loop<5>({views[0], views[1], views[2], views[3], views[4]});
  for_pieces(all, [&](const Loop<5>& loop, const std::int64_t(&offsets)[5]) {
    PointwiseArguments<T> a{.out = call.out.as<T>() + offsets[0],
                            .is_added = call.write == Write::add,
                            .scalars = {{call.scalars[0], call.scalars[1]}}};
    for (int k = 0; k < 4; ++k) {
      a.in[k] = views[k + 1]->template as<const T>() + offsets[k + 1];
      a.is_constant[k] = loop.inner_stride(k + 1) == 0;
    }
    if (can_step(loop, {a.out, a.in[0], a.in[1], a.in[2], a.in[3]}, width, sizeof(T))) {
      a.walk = walk_of(loop, width);
      on.for_steps(a.walk.steps, PointwiseStep<Op, pass, T, width>{a});
    } else {
      a.walk = walk_of(loop, 1);
      on.for_steps(a.walk.steps, PointwiseStep<Op, pass, T, 1>{a});
    }
    on.launched("pointwise", Op::name);
  });
}

// False where the op has no kernel for T.
template <class T, class On> bool pointwise_on(const On& on, const PointwiseCall& call) {
  bool is_found = false;
  math::Pointwise::with(call.op, [&]<class Op>() {
    const auto run = [&]<Pass pass>() {
      if constexpr (has_pointwise<Op, pass, T>()) {
        if (call.pass != pass) return;
        run_pointwise<Op, pass, T>(on, call);
        is_found = true;
      }
    };
    run.template operator()<Pass::value>();
    run.template operator()<Pass::slope>();
    run.template operator()<Pass::slope_b>();
  });
  return is_found;
}

}  // namespace lockstep::kernels::cuda
