#include "kernels/math/pointwise.h"

#include <algorithm>
#include <iterator>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/simd.h"
#include "kernels/host.h"
#include "kernels/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t shortest = 64;  // inner axis that is worth a loop of its own
constexpr std::int64_t wide_block =
    1024;                            // elements that are computed at a time where it is shorter
constexpr std::int64_t block = 512;  // elements that are gathered and converted at a time
constexpr std::int64_t grain = 32 * 1024;  // elements that one thread takes at a time

// out[i] (+)= op(in[...][i]) for a whole number of lane_block.
template <class A>
using Kernel = void (*)(const A* const* in, A* out, std::int64_t n, math::Scalars scalars);

template <class Op, Pass pass, class A>
LS_HD A element(const A* const* in, std::int64_t i, math::Scalars scalars) {
  if constexpr (Op::inputs == 1) {
    if constexpr (pass == Pass::value) return Op::value(in[0][i], scalars);
    return in[2][i] * Op::slope(in[0][i], in[1][i], scalars);
  } else {
    if constexpr (pass == Pass::value) return Op::value(in[0][i], in[1][i]);
    if constexpr (pass == Pass::slope) return in[3][i] * Op::slope_a(in[0][i], in[1][i], in[2][i]);
    return in[3][i] * Op::slope_b(in[0][i], in[1][i], in[2][i]);
  }
}

template <class Op, Pass pass, Write write, class A>
void kernel(const A* const* in, A* out, std::int64_t n, math::Scalars scalars) {
  const A* const inputs[4] = {in[0], in[1], in[2], in[3]};
  n = whole_blocks(n);
  LS_SIMD
  for (std::int64_t i = 0; i < n; ++i) {
    const A result = element<Op, pass>(inputs, i, scalars);
    out[i] = write == Write::add ? out[i] + result : result;
  }
}

// What is computed for integers too.
template <class Op>
inline constexpr bool is_integral_op =
    std::is_same_v<Op, math::Neg> || std::is_same_v<Op, math::Affine> ||
    std::is_same_v<Op, math::Add> || std::is_same_v<Op, math::Sub> || std::is_same_v<Op, math::Mul>;

template <class Op, Pass pass, class A> Kernel<A> kernel_for(Write write) {
  return write == Write::add ? &kernel<Op, pass, Write::add, A>
                             : &kernel<Op, pass, Write::store, A>;
}

template <class A> Kernel<A> kernel_of(const PointwiseCall& call) {
  Kernel<A> found = nullptr;
  math::Pointwise::with(call.op, [&]<class Op>() {
    if constexpr (std::is_floating_point_v<A> || is_integral_op<Op>) {
      if (call.pass == Pass::value) {
        found = kernel_for<Op, Pass::value, A>(call.write);
      } else if constexpr (std::is_floating_point_v<A>) {
        if (call.pass == Pass::slope) found = kernel_for<Op, Pass::slope, A>(call.write);
        if constexpr (Op::inputs == 2) {
          if (call.pass == Pass::slope_b) found = kernel_for<Op, Pass::slope_b, A>(call.write);
        }
      }
    }
  });
  return found;
}

int inputs_of(const PointwiseCall& call) {
  int inputs = 1;
  math::Pointwise::with(call.op, [&]<class Op>() { inputs = Op::inputs; });
  return call.pass == Pass::value ? inputs : inputs + 2;
}

template <class T> class Job {
 public:
  using A = Real<T>;

  explicit Job(const PointwiseCall& call)
      : kernel_(kernel_of<A>(call)),
        inputs_(inputs_of(call)),
        is_added_(call.write == Write::add),
        scalars_{{call.scalars[0], call.scalars[1]}} {
    // A view without data is one that the op does not read: any valid address will do.
    const View& always = call.in[inputs_ - 1];
    const View* views[5] = {&call.out, &always, &always, &always, &always};
    for (int i = 0; i < inputs_; ++i) {
      if (call.in[i].data != nullptr) views[i + 1] = &call.in[i];
    }
    for (int i = 0; i < 5; ++i) base_[i] = views[i]->template as<T>();
    loop_ = sorted_loop<5>({views[0], views[1], views[2], views[3], views[4]});
  }

  bool can_run() const { return kernel_ != nullptr; }

  void run() const {
    const std::int64_t count = loop_.elements();
    const bool is_short = loop_.rank > 1 && loop_.inner() < shortest;
    const auto part = [&](std::int64_t begin, std::int64_t end) {
      if (is_short) return blocks(begin, end);
      for_runs(loop_, begin, end,
               [&](const std::int64_t* offsets, std::int64_t n) { segment(offsets, n); });
    };
    if (threads() <= 1 || count <= grain) {
      part(0, count);
    } else {
      core::parallel_chunks(threads(), count, grain, part);
    }
  }

 private:
  bool is_direct(int view) const { return std::is_same_v<T, A> && loop_.inner_stride(view) == 1; }
  bool is_all_direct() const {
    for (int view = 0; view <= inputs_; ++view) {
      if (!is_direct(view)) return false;
    }
    return true;
  }

  void segment(const std::int64_t* offsets, std::int64_t n) const {
    std::int64_t done = 0;
    if constexpr (std::is_same_v<T, A>) {
      if (is_all_direct()) {
        const A* in[4];
        for (int i = 0; i < 4; ++i) in[i] = base_[i + 1] + offsets[i + 1];
        kernel_(in, base_[0] + offsets[0], n, scalars_);
        done = whole_blocks(n);
      }
    }
    for (; done < n; done += block) blockwise(offsets, done, std::min(block, n - done));
  }

  // Gathers and converts one block of inputs, computes, and scatters the result.
  void blockwise(const std::int64_t* offsets, std::int64_t first, std::int64_t n) const {
    alignas(64) A buffers[5][block];
    const std::int64_t padded = whole_blocks(n + lane_block - 1);
    const A* in[4];
    for (int i = 0; i < inputs_; ++i) {
      const std::int64_t stride = loop_.inner_stride(i + 1);
      load_run(base_[i + 1] + offsets[i + 1] + first * stride, stride, buffers[i + 1], n);
      std::fill(buffers[i + 1] + n, buffers[i + 1] + padded, A(1));
      in[i] = buffers[i + 1];
    }
    for (int i = inputs_; i < 4; ++i) in[i] = in[0];
    const std::int64_t stride = loop_.inner_stride(0);
    T* out = base_[0] + offsets[0] + first * stride;
    if (is_added_) {
      load_run(out, stride, buffers[0], n);
      std::fill(buffers[0] + n, buffers[0] + padded, A(0));
    }
    kernel_(in, buffers[0], padded, scalars_);
    store_run(buffers[0], out, stride, n);
  }

  // How a view lies in the order of the walk.
  struct Order {
    Loop<1> loop;
    bool is_dense;
    std::int64_t period;  // after which its elements repeat; 0: they do not
  };
  Order order_of(int view) const {
    Order order{{}, false, 0};
    std::int64_t inner = 1;
    for (int axis = loop_.rank - 1; axis >= 0; --axis) {
      if (loop_.strides[axis][view] != 0) order.period = inner * loop_.sizes[axis];
      inner *= loop_.sizes[axis];
    }
    if (order.period == inner) order.period = 0;
    for (int axis = 0; axis < loop_.rank; ++axis) {
      order.loop.append(loop_.sizes[axis], {loop_.strides[axis][view]});
    }
    order.loop.merge();
    order.is_dense = order.loop.is_dense(0);
    return order;
  }

  // Elements [begin, end) of a walk with a short inner axis, a block of the walk's order at a time.
  // An input that repeats itself (a bias) is gathered once.
  void blocks(std::int64_t begin, std::int64_t end) const {
    alignas(64) A buffers[5][wide_block];
    Order orders[5];
    std::int64_t period = 1;
    for (int view = 0; view <= inputs_; ++view) {
      orders[view] = order_of(view);
      if (orders[view].period <= wide_block / 4) period = std::max(period, orders[view].period);
    }
    const std::int64_t step = wide_block / period * period;
    for (std::int64_t first = begin; first < end; first += step) {
      const std::int64_t n = std::min(step, end - first);
      const A* in[4];
      std::fill(std::begin(in), std::end(in), buffers[1]);
      for (int i = 0; i < inputs_; ++i) {
        const Order& order = orders[i + 1];
        if (std::is_same_v<T, A> && order.is_dense && n % lane_block == 0) {
          in[i] = reinterpret_cast<const A*>(base_[i + 1]) + first;
          continue;
        }
        in[i] = buffers[i + 1];
        const bool is_there = order.period > 0 && step % order.period == 0 && first > begin;
        if (!is_there) gather(order, i + 1, first, n, buffers[i + 1]);
      }
      if (std::is_same_v<T, A> && orders[0].is_dense && n % lane_block == 0) {
        kernel_(in, reinterpret_cast<A*>(base_[0]) + first, n, scalars_);
        continue;
      }
      if (is_added_) gather(orders[0], 0, first, n, buffers[0]);
      kernel_(in, buffers[0], whole_blocks(n + lane_block - 1), scalars_);
      std::int64_t done = 0;
      for_runs(
          orders[0].loop, first, first + n, [&](const std::int64_t* offset, std::int64_t count) {
            store_run(buffers[0] + done, base_[0] + *offset, orders[0].loop.inner_stride(0), count);
            done += count;
          });
    }
  }

  void gather(const Order& order, int view, std::int64_t first, std::int64_t n, A* buffer) const {
    std::int64_t done = 0;
    for_runs(order.loop, first, first + n, [&](const std::int64_t* offset, std::int64_t count) {
      load_run(base_[view] + *offset, order.loop.inner_stride(0), buffer + done, count);
      done += count;
    });
    std::fill(buffer + n, buffer + whole_blocks(n + lane_block - 1), A(1));
  }

  Kernel<A> kernel_;
  int inputs_;
  bool is_added_;
  math::Scalars scalars_;
  T* base_[5];
  Loop<5> loop_;
};

}  // namespace

void pointwise(const PointwiseCall& call) {
  with_type(call.out.dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, bool>) {
      const Job<T> job(call);
      if (job.can_run()) return job.run();
    }
    fail("pointwise: the op has no kernel for this element type on the CPU",
         "convert the tensors to f32");
  });
}

}  // namespace lockstep::kernels::cpu
