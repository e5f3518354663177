// Every row op, a row a task: how a team finds its row in a call.
#pragma once

#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "kernels/math/rows.h"

namespace lockstep::kernels::cuda {

inline constexpr int row_views = 6;                       // in[4], out[2]
inline constexpr std::int64_t longest_narrow_row = 1024;  // of which a warp is enough

struct RowsArguments {
  Walk<row_views> rows;
  std::int64_t count;     // elements of a row
  void* data[row_views];  // null: not there
  DType dtypes[row_views];
  std::int64_t along[row_views];  // stride of the elements of a row
  double scalars[2];
  bool is_added;
};

// The element at `data`, of a floating-point type that all threads agree on.
template <class A> LS_HD A read(const void* data, std::int64_t at, DType dtype) {
  switch (dtype) {
    case DType::f64:
      return math::converted<A>(static_cast<const double*>(data)[at]);
    case DType::f16:
      return math::converted<A>(static_cast<const float16*>(data)[at]);
    case DType::bf16:
      return math::converted<A>(static_cast<const bfloat16*>(data)[at]);
    default:
      return math::converted<A>(static_cast<const float*>(data)[at]);
  }
}
template <class A> LS_HD void write(void* data, std::int64_t at, DType dtype, A value) {
  switch (dtype) {
    case DType::f64:
      static_cast<double*>(data)[at] = math::converted<double>(value);
      break;
    case DType::f16:
      static_cast<float16*>(data)[at] = math::converted<float16>(value);
      break;
    case DType::bf16:
      static_cast<bfloat16*>(data)[at] = math::converted<bfloat16>(value);
      break;
    default:
      static_cast<float*>(data)[at] = math::converted<float>(value);
  }
}

// One row of elements of T, as kernels/math/rows.h wants it.
template <class T> struct Row {
  using Real = math::Real<T>;
  // Computing an exponential again is cheaper than storing and loading it.
  static constexpr bool keeps = false;

  const RowsArguments& a;
  std::int64_t offsets[row_views];

  LS_HD std::int64_t count() const { return a.count; }
  LS_HD Real in(int k, std::int64_t i) const {
    return math::converted<Real>(static_cast<const T*>(a.data[k])[offsets[k] + i * a.along[k]]);
  }
  LS_HD Real kept(int k, std::int64_t i) const {
    return math::converted<Real>(
        static_cast<const T*>(a.data[4 + k])[offsets[4 + k] + i * a.along[4 + k]]);
  }
  LS_HD bool has(int k) const { return a.data[k] != nullptr; }
  LS_HD std::int64_t whole(int k) const {
    return static_cast<const std::int64_t*>(a.data[k])[offsets[k]];
  }
  LS_HD Real real(int k) const { return read<Real>(a.data[k], offsets[k], a.dtypes[k]); }
  LS_HD Real scalar(int k) const { return static_cast<Real>(a.scalars[k]); }
  LS_HD void put(int k, std::int64_t i, Real value) const {
    T& place = static_cast<T*>(a.data[4 + k])[offsets[4 + k] + i * a.along[4 + k]];
    place = math::converted<T>(a.is_added ? math::converted<Real>(place) + value : value);
  }
  LS_HD void put(int k, Real value) const {
    void* const data = a.data[4 + k];
    if (data == nullptr) return;
    const std::int64_t at = offsets[4 + k];
    const DType dtype = a.dtypes[4 + k];
    write(data, at, dtype, a.is_added && k == 0 ? read<Real>(data, at, dtype) + value : value);
  }
};

template <class Op, Pass pass, class T> struct RowTask {
  RowsArguments a;

  template <class Team> LS_HD void operator()(const Team& team, std::uint32_t i) const {
    Row<T> row{a, {}};
    a.rows.find(i, row.offsets);
    if constexpr (pass == Pass::value) {
      Op::value(team, row);
    } else {
      Op::slope(team, row);
    }
  }
};

inline const View& row_view(const RowsCall& call, int k) {
  return k < 4 ? call.in[k] : call.out[k - 4];
}

// The walk over all rows: the axes of in[0] without the call's. Views without that axis have one
// element a row.
inline Loop<row_views> row_loop(const RowsCall& call) {
  Loop<row_views> loop;
  const View& x = call.in[0];
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis == call.axis) continue;
    std::int64_t strides[row_views] = {};
    for (int k = 0; k < row_views; ++k) {
      const View& view = row_view(call, k);
      if (view.data == nullptr) continue;
      const bool has_axis = view.rank() == x.rank();
      strides[k] = view.strides[has_axis || axis < call.axis ? axis : axis - 1];
    }
    loop.append(x.sizes[axis], strides);
  }
  loop.merge();
  return loop;
}

template <class Op, class T, class On> void rows_of(const On& on, const RowsCall& call) {
  for_pieces(row_loop(call),
             [&](const Loop<row_views>& loop, const std::int64_t(&offsets)[row_views]) {
               RowsArguments a{.rows = walk_of(loop, 1),
                               .count = call.in[0].sizes[call.axis],
                               .scalars = {call.scalars[0], call.scalars[1]},
                               .is_added = call.write == Write::add};
               for (int k = 0; k < row_views; ++k) {
                 const View& view = row_view(call, k);
                 a.dtypes[k] = view.dtype;
                 if (view.data == nullptr) continue;
                 const auto bytes = static_cast<std::int64_t>(size_of(view.dtype));
                 a.data[k] = view.as<char>() + offsets[k] * bytes;
                 if (view.rank() == call.in[0].rank()) a.along[k] = view.strides[call.axis];
               }
               const bool is_wide = a.count > longest_narrow_row;
               if (call.pass == Pass::value) {
                 on.for_tasks(a.rows.steps, is_wide, RowTask<Op, Pass::value, T>{a});
               } else {
                 on.for_tasks(a.rows.steps, is_wide, RowTask<Op, Pass::slope, T>{a});
               }
               on.launched("rows", Op::name);
             });
}

template <class On> void rows_on(const On& on, const RowsCall& call) {
  if (call.in[0].elements() == 0) return;
  math::Rows::with(call.op, [&]<class Op>() {
    switch (call.in[0].dtype) {
      case DType::f64:
        return rows_of<Op, double>(on, call);
      case DType::f32:
        return rows_of<Op, float>(on, call);
      case DType::f16:
        return rows_of<Op, float16>(on, call);
      case DType::bf16:
        return rows_of<Op, bfloat16>(on, call);
      default:
        fail("rows: the op is for floating-point elements only", "convert the tensor to f32");
    }
  });
}

}  // namespace lockstep::kernels::cuda
