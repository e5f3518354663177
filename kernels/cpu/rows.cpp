#include "kernels/math/rows.h"

#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/host.h"
#include "kernels/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr int views = 6;  // in[4], out[2]
constexpr std::int64_t grain_elements = 16 * 1024;

const View& view_of(const RowsCall& call, int k) { return k < 4 ? call.in[k] : call.out[k - 4]; }

// The walk over all rows: the axes of in[0] without call.axis. Views without that axis have one
// element a row.
Loop<views> row_loop(const RowsCall& call) {
  Loop<views> loop;
  const View& x = call.in[0];
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis == call.axis) continue;
    std::int64_t strides[views] = {};
    for (int k = 0; k < views; ++k) {
      const View& view = view_of(call, k);
      if (view.data == nullptr) continue;
      const bool has_axis = view.rank() == x.rank();
      strides[k] = view.strides[has_axis || axis < call.axis ? axis : axis - 1];
    }
    loop.append(x.sizes[axis], strides);
  }
  loop.merge();
  return loop;
}

// One row of a call whose elements have type T and follow each other. `write`: what becomes of the
// elements that the op puts; its single values follow the call.
template <class T, Write write> struct Row {
  using Real = cpu::Real<T>;

  const RowsCall& call;
  std::int64_t elements;
  const T* input[3];
  T* output;
  std::int64_t offsets[views];

  explicit Row(const RowsCall& all) : call(all), elements(all.in[0].sizes[all.axis]) {}
  void go_to(const std::int64_t* at, std::int64_t step, const Loop<views>& loop) {
    for (int k = 0; k < views; ++k) offsets[k] = at[k] + step * loop.inner_stride(k);
    input[0] = call.in[0].template as<T>() + offsets[0];
    input[1] = call.in[1].template as<T>() + offsets[1];
    input[2] = call.in[2].template as<T>() + offsets[2];
    output = call.out[0].template as<T>() + offsets[4];
  }

  static constexpr bool keeps = std::is_same_v<T, Real> && write == Write::store;

  LS_HD std::int64_t count() const { return elements; }
  LS_HD Real in(int k, std::int64_t i) const { return converted<Real>(input[k][i]); }
  LS_HD Real kept(int /*k*/, std::int64_t i) const { return converted<Real>(output[i]); }
  LS_HD bool has(int k) const { return call.in[k].data != nullptr; }
  LS_HD Real scalar(int k) const { return static_cast<Real>(call.scalars[k]); }
  std::int64_t whole(int k) const { return call.in[k].template as<std::int64_t>()[offsets[k]]; }
  Real real(int k) const {
    return with_type(call.in[k].dtype, [&]<class U>(U) {
      return converted<Real>(call.in[k].template as<U>()[offsets[k]]);
    });
  }
  LS_HD void put(int /*k*/, std::int64_t i, Real value) const {
    output[i] = converted<T>(write == Write::add ? converted<Real>(output[i]) + value : value);
  }
  void put(int k, Real value) const {
    if (call.out[k].data == nullptr) return;
    const bool is_added = call.write == Write::add && k == 0;
    with_type(call.out[k].dtype, [&]<class U>(U) {
      U& place = call.out[k].template as<U>()[offsets[4 + k]];
      place = converted<U>(is_added ? converted<Real>(place) + value : value);
    });
  }
};

template <class Op, class T, Pass pass, Write write> void all_rows(const RowsCall& call) {
  const Loop<views> loop = row_loop(call);
  const std::int64_t count = std::max<std::int64_t>(1, call.in[0].sizes[call.axis]);
  const std::int64_t grain = std::max<std::int64_t>(1, grain_elements / count);
  core::parallel_chunks(
      threads(), loop.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
        Row<T, write> row(call);
        for_runs(loop, begin, end, [&](const std::int64_t* offsets, std::int64_t n) {
          for (std::int64_t i = 0; i < n; ++i) {
            row.go_to(offsets, i, loop);
            if constexpr (pass == Pass::value) {
              Op::value(math::SerialTeam{}, row);
            } else {
              Op::slope(math::SerialTeam{}, row);
            }
          }
        });
      });
}

template <class Op, class T> void typed_rows(const RowsCall& call) {
  if (call.pass == Pass::value) return all_rows<Op, T, Pass::value, Write::store>(call);
  call.write == Write::add ? all_rows<Op, T, Pass::slope, Write::add>(call)
                           : all_rows<Op, T, Pass::slope, Write::store>(call);
}

// Whether a view of the call has its axis, and is not one element a row.
bool has_axis(const RowsCall& call, int k) {
  const View& view = view_of(call, k);
  return view.data != nullptr && view.rank() == call.in[0].rank();
}

// Whether typed_rows can take the call as it is: elements that follow each other, values stored.
bool is_direct(const RowsCall& call) {
  if (call.pass == Pass::value && call.write == Write::add && has_axis(call, 4)) return false;
  if (call.in[0].sizes[call.axis] == 1) return true;
  for (int k = 0; k < views; ++k) {
    if (has_axis(call, k) && view_of(call, k).strides[call.axis] != 1) return false;
  }
  return true;
}

// Rows that are copied into contiguous ones: the axis beside them (-1: there is one row only), and
// how many of them at a time.
struct Turn {
  int axis = -1;
  std::int64_t rows = 1;
};

// Beside rows that lie across memory is the axis along which it runs.
Turn turn_of(const RowsCall& call) {
  const View& x = call.in[0];
  Turn turn;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis == call.axis) continue;
    const bool runs = x.strides[axis] == 1 && x.sizes[axis] >= 16;
    if (turn.axis < 0 || runs || (turn.rows == 1 && x.sizes[axis] > x.sizes[turn.axis])) {
      turn = {.axis = axis, .rows = runs ? 16 : 1};
    }
  }
  turn.rows = std::max(turn.rows, grain_elements / x.sizes[call.axis]);
  return turn;
}

// `count` rows from `first` on along the turn's axis, at the place of the other axes that `offset`
// names.
View slice_of(const View& view, const RowsCall& call, const Turn& turn, std::int64_t offset,
              std::int64_t first, std::int64_t count) {
  View slice = view;
  const bool is_full = view.rank() == call.in[0].rank();
  const int beside = is_full || turn.axis < call.axis ? turn.axis : turn.axis - 1;
  for (int axis = 0; axis < view.rank(); ++axis) {
    const bool is_turned = is_full && axis == call.axis;
    if (axis != beside && !is_turned) slice.sizes[axis] = 1;
  }
  if (beside >= 0) {
    slice.sizes[beside] = count;
    offset += first * view.strides[beside];
  }
  slice.data = view.as<char>() + offset * static_cast<std::int64_t>(size_of(view.dtype));
  return slice;
}

// The same sizes, contiguous along the call's axis.
View contiguous_like(const View& slice, const RowsCall& call, const Turn& turn, void* data) {
  View turned = slice;
  turned.data = data;
  for (int axis = 0; axis < slice.rank(); ++axis) turned.strides[axis] = 0;
  turned.strides[call.axis] = 1;
  if (turn.axis >= 0) turned.strides[turn.axis] = slice.sizes[call.axis];
  return turned;
}

void turned_slice(const RowsCall& call, const Turn& turn, const std::int64_t* offsets,
                  std::int64_t first, std::int64_t count) {
  RowsCall inner = call;
  View across[views];
  std::vector<std::byte> memory[views];
  for (int k = 0; k < views; ++k) {
    View& place = k < 4 ? inner.in[k] : inner.out[k - 4];
    if (place.data == nullptr) continue;
    place = across[k] = slice_of(place, call, turn, offsets[k], first, count);
    if (!has_axis(call, k)) continue;
    memory[k].resize(static_cast<std::size_t>(place.elements()) * size_of(place.dtype));
    place = contiguous_like(place, call, turn, memory[k].data());
    if (k < 4) copy({.in = across[k], .out = place});
  }
  if (has_axis(call, 4)) inner.write = Write::store;
  rows(inner);
  if (has_axis(call, 4)) copy({.write = call.write, .in = inner.out[0], .out = across[4]});
}

void turned_rows(const RowsCall& call, const Turn& turn) {
  Loop<views> outer;
  for (int axis = 0; axis < call.in[0].rank(); ++axis) {
    if (axis == call.axis || axis == turn.axis) continue;
    std::int64_t strides[views] = {};
    for (int k = 0; k < views; ++k) {
      if (view_of(call, k).data == nullptr) continue;
      strides[k] =
          view_of(call, k).strides[has_axis(call, k) || axis < call.axis ? axis : axis - 1];
    }
    outer.append(call.in[0].sizes[axis], strides);
  }
  outer.merge();
  const std::int64_t all = turn.axis < 0 ? 1 : call.in[0].sizes[turn.axis];
  const std::int64_t slices = (all + turn.rows - 1) / turn.rows;
  core::parallel_chunks(
      threads(), outer.elements() * slices, 1, [&](std::int64_t task, std::int64_t) {
        const std::int64_t first = task % slices * turn.rows;
        for_runs(outer, task / slices, task / slices + 1,
                 [&](const std::int64_t* offsets, std::int64_t) {
                   turned_slice(call, turn, offsets, first, std::min(turn.rows, all - first));
                 });
      });
}

}  // namespace

void rows(const RowsCall& call) {
  if (call.in[0].elements() == 0) return;
  if (!is_direct(call)) return turned_rows(call, turn_of(call));
  math::Rows::with(call.op, [&]<class Op>() {
    switch (call.in[0].dtype) {
      case DType::f64:
        return typed_rows<Op, double>(call);
      case DType::f32:
        return typed_rows<Op, float>(call);
      case DType::f16:
        return typed_rows<Op, float16>(call);
      case DType::bf16:
        return typed_rows<Op, bfloat16>(call);
      default:
        fail("rows: the op is for floating-point elements only", "convert the tensor to f32");
    }
  });
}

}  // namespace lockstep::kernels::cpu
