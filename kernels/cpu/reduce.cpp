#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/reduce_runs.h"
#include "kernels/host.h"
#include "kernels/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

// Elements that one thread reduces at a time. A part of the result's definition: sums of parts are
// added.
constexpr std::int64_t part_elements = 64 * 1024;
constexpr std::int64_t column_block = 1024;

// The axes that stay (out, in) and those that are reduced (in), each outermost first.
struct Axes {
  Loop<2> kept;
  Loop<1> reduced;
};

Axes axes_of(const ReduceCall& call) {
  Axes axes;
  for (int axis = 0; axis < call.in.rank(); ++axis) {
    const std::int64_t size = call.in.sizes[axis];
    const std::int64_t in = call.in.strides[axis];
    // An axis of size 1 may count as either.
    if (size == 1) continue;
    if (call.out.sizes[axis] == size) {
      axes.kept.append(size, {call.out.strides[axis], in});
    } else {
      axes.reduced.append(size, {in});
    }
  }
  axes.kept.sort();
  axes.kept.merge();
  axes.reduced.sort();
  axes.reduced.merge();
  return axes;
}

// One reduction: op over elements of T, accumulated in A, written as Out.
template <ReduceOp op, class T, class Out, class A> class Job {
 public:
  explicit Job(const ReduceCall& call) : call_(call), axes_(axes_of(call)), in_(call.in.as<T>()) {}

  void run() const {
    const Loop<2>& kept = axes_.kept;
    const bool is_row =
        axes_.reduced.inner_stride(0) == 1 || kept.inner_stride(1) != 1 || kept.inner() == 1;
    is_row ? rows() : columns();
  }

 private:
  // The results lie apart in memory: each reduces runs of its own.
  void rows() const {
    const Loop<2>& kept = axes_.kept;
    const std::int64_t each = axes_.reduced.elements();
    if (kept.elements() == 1) return put(call_.out.as<Out>(), whole(in_, threads()));
    const std::int64_t grain =
        std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, each));
    core::parallel_chunks(threads(), kept.elements(), grain,
                          [&](std::int64_t begin, std::int64_t end) {
                            for_runs(kept, begin, end, [&](const std::int64_t* at, std::int64_t n) {
                              for (std::int64_t k = 0; k < n; ++k) {
                                const A result = whole(in_ + at[1] + k * kept.inner_stride(1), 1);
                                put(call_.out.as<Out>() + at[0] + k * kept.inner_stride(0), result);
                              }
                            });
                          });
  }

  // All reduced elements of one result: parts of fixed size, each on one thread, then the parts in
  // order.
  A whole(const T* in, int team) const {
    const std::int64_t count = axes_.reduced.elements();
    if (count <= part_elements) return part(in, 0, count);
    const std::int64_t parts = (count + part_elements - 1) / part_elements;
    std::vector<A> results(static_cast<std::size_t>(parts));
    core::parallel_chunks(team, count, part_elements, [&](std::int64_t begin, std::int64_t end) {
      results[static_cast<std::size_t>(begin / part_elements)] = part(in, begin, end);
    });
    Wide<op, A> total(start<op, A>());
    for (const A result : results) total = joined<op>(total, Wide<op, A>(result));
    return static_cast<A>(total);
  }
  A part(const T* in, std::int64_t begin, std::int64_t end) const {
    Wide<op, A> total(start<op, A>());
    const std::int64_t stride = axes_.reduced.inner_stride(0);
    for_runs(axes_.reduced, begin, end, [&](const std::int64_t* offset, std::int64_t n) {
      total = joined<op>(total, Wide<op, A>(reduced_run<op, A>(in + *offset, stride, n)));
    });
    return static_cast<A>(total);
  }

  // The innermost kept axis is contiguous: whole rows of it are joined element by element.
  void columns() const {
    const Loop<2>& kept = axes_.kept;
    const std::int64_t rows = axes_.reduced.elements();
    const std::int64_t blocks = (kept.inner() + column_block - 1) / column_block;
    const std::int64_t tasks = kept.elements() / kept.inner() * blocks;
    const std::int64_t width = std::min(kept.inner(), column_block);
    const std::int64_t grain =
        std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, rows * width));
    const bool is_alone = tasks == 1;
    core::parallel_chunks(
        is_alone ? 1 : threads(), tasks, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t first = task % blocks * column_block;
            for_runs(kept, task / blocks * kept.inner(), task / blocks * kept.inner() + 1,
                     [&](const std::int64_t* at, std::int64_t) {
                       one_block(at[0], at[1], first, std::min(column_block, kept.inner() - first),
                                 is_alone ? threads() : 1);
                     });
          }
        });
  }

  void one_block(std::int64_t out, std::int64_t in, std::int64_t first, std::int64_t width,
                 int team) const {
    const std::int64_t rows = axes_.reduced.elements();
    const bool is_dense = axes_.reduced.inner_stride(0) == width;
    const std::int64_t most = is_dense ? part_elements : 1024;
    const std::int64_t per_part = std::clamp<std::int64_t>(part_elements / width, 64, most);
    const std::int64_t parts = std::max<std::int64_t>(1, (rows + per_part - 1) / per_part);
    std::vector<A> results(static_cast<std::size_t>(parts * width), start<op, A>());
    core::parallel_chunks(team, rows, per_part, [&](std::int64_t begin, std::int64_t end) {
      A* const result = results.data() + begin / per_part * width;
      for_runs(axes_.reduced, begin, end, [&](const std::int64_t* offset, std::int64_t n) {
        const std::int64_t stride = axes_.reduced.inner_stride(0);
        join_rows<op>(in_ + in + first + *offset, stride, n, width, result);
      });
    });
    join_all<op>(results.data(), parts, width);
    const std::int64_t stride = axes_.kept.inner_stride(0);
    for (std::int64_t c = 0; c < width; ++c) {
      put(call_.out.as<Out>() + out + (first + c) * stride, results[static_cast<std::size_t>(c)]);
    }
  }

  void put(Out* place, A value) const {
    if constexpr (op == ReduceOp::sum || op == ReduceOp::sum_of_squares) {
      using Factor = std::conditional_t<std::is_integral_v<A>, double, A>;
      if (call_.scale != 1)
        value = static_cast<A>(static_cast<Factor>(value) * static_cast<Factor>(call_.scale));
    }
    if (call_.write == Write::add) value = static_cast<A>(value + converted<A>(*place));
    *place = converted<Out>(value);
  }

  const ReduceCall& call_;
  Axes axes_;
  const T* in_;
};

template <class T> void argmax(const ReduceCall& call) {
  const Axes axes = axes_of(call);
  const std::int64_t count = axes.reduced.elements();
  const std::int64_t stride = axes.reduced.inner_stride(0);
  const std::int64_t grain = std::max<std::int64_t>(1, part_elements / count);
  core::parallel_chunks(
      threads(), axes.kept.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
        for_runs(axes.kept, begin, end, [&](const std::int64_t* at, std::int64_t n) {
          for (std::int64_t k = 0; k < n; ++k) {
            const T* in = call.in.as<T>() + at[1] + k * axes.kept.inner_stride(1);
            call.out.as<std::int64_t>()[at[0] + k * axes.kept.inner_stride(0)] =
                first_largest(in, stride, count);
          }
        });
      });
}

template <ReduceOp op, class T> void typed(const ReduceCall& call) {
  if constexpr (op == ReduceOp::max || op == ReduceOp::min) {
    Job<op, T, T, Real<T>>(call).run();
  } else if constexpr (std::is_integral_v<T>) {
    Job<op, T, std::int64_t, std::int64_t>(call).run();
  } else {
    if (call.out.dtype == DType::f64) return Job<op, T, double, double>(call).run();
    if (call.out.dtype == DType::f32) return Job<op, T, float, Real<T>>(call).run();
    if constexpr (is_half<T>) Job<op, T, T, Real<T>>(call).run();
  }
}

}  // namespace

void reduce(const ReduceCall& call) {
  if (call.out.elements() == 0) return;
  with_type(call.in.dtype, [&]<class Element>(Element) {
    using T = std::conditional_t<std::is_same_v<Element, bool>, std::uint8_t, Element>;
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
