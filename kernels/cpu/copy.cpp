#include <cstring>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/transpose_block.h"
#include "kernels/host.h"
#include "kernels/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t grain = 64 * 1024;
constexpr std::int64_t side = 64;  // rows and columns that are transposed at a time

// The type in which scale * in + out is computed.
template <class T>
inline constexpr bool is_wide = sizeof(T) == 8 || std::is_same_v<T, std::int32_t>;
template <class In, class Out>
using Middle = std::conditional_t<is_wide<In> || is_wide<Out>, double, float>;

template <class In, class Out, bool is_added>
void scaled_run(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride,
                std::int64_t n, double by) {
  using M = Middle<In, Out>;
  const M scale = static_cast<M>(by);
  const auto each = [&](std::int64_t i, std::int64_t o) {
    const M value = converted<M>(in[i]) * scale;
    out[o] = converted<Out>(is_added ? converted<M>(out[o]) + value : value);
  };
  if (in_stride == 1 && out_stride == 1) {
    LS_SIMD
    for (std::int64_t i = 0; i < n; ++i) each(i, i);
  } else {
    for (std::int64_t i = 0; i < n; ++i) each(i * in_stride, i * out_stride);
  }
}

// out[i] = in[i] for n elements, or (+)= scale * in[i]; strides in elements.
using Run = void (*)(const void* in, std::int64_t in_stride, void* out, std::int64_t out_stride,
                     std::int64_t n, double scale);

template <class In, class Out, bool is_added>
void run_scaled(const void* in, std::int64_t in_stride, void* out, std::int64_t out_stride,
                std::int64_t n, double scale) {
  scaled_run<In, Out, is_added>(static_cast<const In*>(in), in_stride, static_cast<Out*>(out),
                                out_stride, n, scale);
}

template <class In, class Out>
void run_plain(const void* source, std::int64_t in_stride, void* target, std::int64_t out_stride,
               std::int64_t n, double) {
  const In* const in = static_cast<const In*>(source);
  Out* const out = static_cast<Out*>(target);
  if (in_stride == 0 && out_stride == 1) {
    std::fill_n(out, n, converted<Out>(*in));
  } else if (in_stride == 1 && out_stride == 1) {
    if constexpr (std::is_same_v<In, Out>) {
      std::memmove(out, in, static_cast<std::size_t>(n) * sizeof(In));
    } else {
      store_run(in, out, 1, n);
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i * out_stride] = converted<Out>(in[i * in_stride]);
  }
}

Run run_for(const CopyCall& call) {
  return with_type(call.in.dtype, [&]<class In>(In) {
    return with_type(call.out.dtype, [&]<class Out>(Out) -> Run {
      if (call.write == Write::add) return &run_scaled<In, Out, true>;
      return call.scale == 1 ? &run_plain<In, Out> : &run_scaled<In, Out, false>;
    });
  });
}

class Job {
 public:
  explicit Job(const CopyCall& call)
      : is_moved_(call.write == Write::store && call.scale == 1 && call.in.dtype == call.out.dtype),
        scale_(call.scale),
        run_(run_for(call)),
        in_width_(static_cast<std::int64_t>(size_of(call.in.dtype))),
        out_width_(static_cast<std::int64_t>(size_of(call.out.dtype))),
        in_(call.in.as<char>()),
        out_(call.out.as<char>()),
        loop_(sorted_loop<2>({&call.out, &call.in})) {}

  void run() const {
    const int across = transposed_axis();
    across >= 0 ? transposed(across) : straight();
  }

 private:
  // The axis along which `in` is contiguous while `out` is along the innermost one; -1: no such
  // pair.
  int transposed_axis() const {
    const int last = loop_.rank - 1;
    if (loop_.inner_stride(0) != 1 || loop_.inner_stride(1) < 2 || loop_.inner() < 4) return -1;
    for (int axis = 0; axis < last; ++axis) {
      if (loop_.strides[axis][1] == 1 && loop_.sizes[axis] >= 4) return axis;
    }
    return -1;
  }

  void straight() const {
    core::parallel_chunks(
        threads(), loop_.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
          for_runs(loop_, begin, end, [&](const std::int64_t* offsets, std::int64_t n) {
            run_(in_ + offsets[1] * in_width_, loop_.inner_stride(1),
                 out_ + offsets[0] * out_width_, loop_.inner_stride(0), n, scale_);
          });
        });
  }

  // Squares of the two axes, each read along one and written along the other.
  void transposed(int across) const {
    const int last = loop_.rank - 1;
    Loop<2> outer;
    for (int axis = 0; axis < last; ++axis) {
      if (axis != across) outer.append(loop_.sizes[axis], loop_.strides[axis]);
    }
    outer.merge();
    const std::int64_t columns = loop_.sizes[across], rows = loop_.inner();
    const std::int64_t column_blocks = (columns + side - 1) / side,
                       row_blocks = (rows + side - 1) / side;
    const std::int64_t blocks = column_blocks * row_blocks;
    core::parallel_chunks(
        threads(), outer.elements() * blocks, 16, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t r = task % row_blocks * side,
                               c = task / row_blocks % column_blocks * side;
            for_runs(outer, task / blocks, task / blocks + 1,
                     [&](const std::int64_t* at, std::int64_t) {
                       square(in_ + (at[1] + r * loop_.inner_stride(1) + c) * in_width_,
                              out_ + (at[0] + c * loop_.strides[across][0] + r) * out_width_,
                              loop_.strides[across][0], std::min(side, rows - r),
                              std::min(side, columns - c));
                     });
          }
        });
  }

  void square(const char* in, char* out, std::int64_t out_stride, std::int64_t rows,
              std::int64_t columns) const {
    switch (in_width_) {
      case 1:
        return square_of<std::uint8_t>(in, out, out_stride, rows, columns);
      case 2:
        return square_of<std::uint16_t>(in, out, out_stride, rows, columns);
      case 4:
        return square_of<std::uint32_t>(in, out, out_stride, rows, columns);
      default:
        return square_of<std::uint64_t>(in, out, out_stride, rows, columns);
    }
  }
  // Bits: the unsigned integer of the elements' size.
  template <class Bits>
  void square_of(const char* in, char* out, std::int64_t out_stride, std::int64_t rows,
                 std::int64_t columns) const {
    const auto* const from = reinterpret_cast<const Bits*>(in);
    const std::int64_t in_stride = loop_.inner_stride(1);
    if (is_moved_)
      return transpose_block(from, in_stride, reinterpret_cast<Bits*>(out), out_stride, rows,
                             columns);
    alignas(64) Bits turned[side * side];
    transpose_block(from, in_stride, turned, side, rows, columns);
    for (std::int64_t c = 0; c < columns; ++c)
      run_(turned + c * side, 1, out + c * out_stride * out_width_, 1, rows, scale_);
  }

  bool is_moved_;
  double scale_;
  Run run_;
  std::int64_t in_width_;
  std::int64_t out_width_;
  const char* in_;
  char* out_;
  Loop<2> loop_;
};

}  // namespace

void copy(const CopyCall& call) {
  if (call.out.elements() == 0) return;
  if (call.in.data != nullptr) return Job(call).run();
  double number = call.scale;
  View everywhere{&number, DType::f64, call.out.sizes, call.out.sizes};
  for (int axis = 0; axis < everywhere.rank(); ++axis) everywhere.strides[axis] = 0;
  Job({.in = everywhere, .out = call.out}).run();
}

}  // namespace lockstep::kernels::cpu
