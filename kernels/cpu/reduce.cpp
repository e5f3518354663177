#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/host.h"
#include "kernels/cpu/loop.h"
#include "kernels/math/team.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t grain_elements = 32 * 1024;

// The axes that stay (out, in) and those that are reduced (in).
struct Axes {
  Loop<2> kept;
  Loop<1> reduced;
};

Axes axes_of(const ReduceCall& call) {
  Axes axes;
  for (int axis = 0; axis < call.in.rank(); ++axis) {
    const std::int64_t size = call.in.sizes[axis];
    const std::int64_t in = call.in.strides[axis];
    if (call.out.sizes[axis] == size) {
      axes.kept.append(size, {call.out.strides[axis], in});
    } else {
      axes.reduced.append(size, {in});
    }
  }
  axes.kept.sort();
  axes.kept.merge();
  axes.reduced.merge();
  return axes;
}

template <class T> constexpr T lowest() {
  if constexpr (std::is_floating_point_v<T>) return -std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::lowest();
}
template <class T> constexpr T highest() {
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::max();
}

template <ReduceOp op, class A> LS_HD A start() {
  if constexpr (op == ReduceOp::max) return lowest<A>();
  if constexpr (op == ReduceOp::min) return highest<A>();
  return A(0);
}
template <ReduceOp op, class A> LS_HD A joined(A a, A b) {
  if constexpr (op == ReduceOp::max) return math::larger(a, b);
  if constexpr (op == ReduceOp::min) return math::smaller(a, b);
  return a + b;
}
template <ReduceOp op, class A> LS_HD A prepared(A x) {
  if constexpr (op == ReduceOp::sum_of_squares) return x * x;
  return x;
}

// n elements in lanes of their own; every chunk ends in one number, so that sums stay short.
template <ReduceOp op, class A, class T>
A run_of(const T* in, std::int64_t stride, std::int64_t n) {
  if (n > 4096) {
    const std::int64_t half = (n / 2 + 4095) / 4096 * 4096;
    return joined<op>(run_of<op, A>(in, stride, half),
                      run_of<op, A>(in + half * stride, stride, n - half));
  }
  A partial[lane_block];
  for (A& each : partial) each = start<op, A>();
  const std::int64_t whole = whole_blocks(n);
  for (std::int64_t i = 0; i < whole; i += lane_block) {
    LS_SIMD
    for (int lane = 0; lane < lane_block; ++lane) {
      partial[lane] =
          joined<op>(partial[lane], prepared<op>(converted<A>(in[(i + lane) * stride])));
    }
  }
  for (std::int64_t i = whole; i < n; ++i) {
    partial[i - whole] = joined<op>(partial[i - whole], prepared<op>(converted<A>(in[i * stride])));
  }
  for (int width = lane_block / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane)
      partial[lane] = joined<op>(partial[lane], partial[lane + width]);
  }
  return partial[0];
}

template <class Out, class A> void put(const ReduceCall& call, Out& place, A value) {
  if (call.op == ReduceOp::sum || call.op == ReduceOp::sum_of_squares) {
    if (call.scale != 1)
      value = static_cast<A>(
          value * static_cast<std::conditional_t<sizeof(A) == 8, double, A>>(call.scale));
  }
  if (call.write == Write::add) value = static_cast<A>(value + converted<A>(place));
  place = converted<Out>(value);
}

template <ReduceOp op, class T, class Out, class A> void reduce_as(const ReduceCall& call) {
  const Axes axes = axes_of(call);
  const std::int64_t each = std::max<std::int64_t>(1, axes.reduced.elements());
  const std::int64_t grain = std::max<std::int64_t>(1, grain_elements / each);
  core::parallel_chunks(
      threads(), axes.kept.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
        for_runs(axes.kept, begin, end, [&](const std::int64_t* at, std::int64_t n) {
          for (std::int64_t k = 0; k < n; ++k) {
            const T* in = call.in.template as<T>() + at[1] + k * axes.kept.inner_stride(1);
            A result = start<op, A>();
            for_runs(axes.reduced, 0, axes.reduced.elements(),
                     [&](const std::int64_t* offset, std::int64_t m) {
                       result = joined<op>(
                           result, run_of<op, A>(in + *offset, axes.reduced.inner_stride(0), m));
                     });
            put(call, call.out.template as<Out>()[at[0] + k * axes.kept.inner_stride(0)], result);
          }
        });
      });
}

template <class T> void argmax(const ReduceCall& call) {
  const Axes axes = axes_of(call);
  const std::int64_t count = axes.reduced.elements();
  const std::int64_t stride = axes.reduced.inner_stride(0);
  for_runs(axes.kept, 0, axes.kept.elements(), [&](const std::int64_t* at, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) {
      const T* in = call.in.template as<T>() + at[1] + k * axes.kept.inner_stride(1);
      std::int64_t best = 0;
      auto top = converted<Real<T>>(in[0]);
      for (std::int64_t i = 1; i < count && top == top; ++i) {
        const auto value = converted<Real<T>>(in[i * stride]);
        if (value > top || value != value) {
          best = i;
          top = value;
        }
      }
      call.out.as<std::int64_t>()[at[0] + k * axes.kept.inner_stride(0)] = best;
    }
  });
}

template <ReduceOp op, class T> void typed(const ReduceCall& call) {
  if constexpr (op == ReduceOp::max || op == ReduceOp::min) {
    reduce_as<op, T, T, Real<T>>(call);
  } else if constexpr (std::is_integral_v<T>) {
    reduce_as<op, T, std::int64_t, std::int64_t>(call);
  } else {
    if (call.out.dtype == DType::f64) return reduce_as<op, T, double, double>(call);
    if (call.out.dtype == DType::f32) return reduce_as<op, T, float, Real<T>>(call);
    reduce_as<op, T, T, Real<T>>(call);
  }
}

}  // namespace

void reduce(const ReduceCall& call) {
  if (call.out.elements() == 0) return;
  with_type(call.in.dtype, [&]<class T>(T) {
    switch (call.op) {
      case ReduceOp::sum:
        return typed<ReduceOp::sum, T>(call);
      case ReduceOp::sum_of_squares:
        return typed<ReduceOp::sum_of_squares, T>(call);
      case ReduceOp::max:
        return typed<ReduceOp::max, T>(call);
      case ReduceOp::min:
        return typed<ReduceOp::min, T>(call);
      case ReduceOp::argmax:
        return argmax<T>(call);
    }
  });
}

}  // namespace lockstep::kernels::cpu
