#include "kernels/math/rows.h"

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/host.h"
#include "kernels/cpu/loop.h"
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

// One row of a call whose elements have type T. `unit`: all views that have the axis are contiguous
// along it.
template <class T, bool unit, Write write> struct Row {
  using Real = cpu::Real<T>;

  const RowsCall& call;
  std::int64_t elements;
  const std::int64_t* strides;
  const T* input[2];
  T* output;
  std::int64_t offsets[views];

  Row(const RowsCall& all, const std::int64_t* along) : call(all), strides(along) {
    elements = call.in[0].sizes[call.axis];
  }
  void go_to(const std::int64_t* at, std::int64_t step, const Loop<views>& loop) {
    for (int k = 0; k < views; ++k) offsets[k] = at[k] + step * loop.inner_stride(k);
    input[0] = call.in[0].template as<T>() + offsets[0];
    input[1] = call.in[1].template as<T>() + offsets[1];
    output = call.out[0].template as<T>() + offsets[4];
  }

  static constexpr bool keeps = std::is_same_v<T, Real> && write == Write::store;

  LS_HD std::int64_t count() const { return elements; }
  LS_HD Real in(int k, std::int64_t i) const {
    return converted<Real>(input[k][unit ? i : i * strides[k]]);
  }
  LS_HD Real kept(int k, std::int64_t i) const {
    return converted<Real>(output[unit ? i : i * strides[4 + k]]);
  }
  LS_HD bool has(int k) const { return call.in[k].data != nullptr; }
  std::int64_t whole(int k) const { return call.in[k].template as<std::int64_t>()[offsets[k]]; }
  Real real(int k) const {
    return with_type(call.in[k].dtype, [&]<class U>(U) {
      return converted<Real>(call.in[k].template as<U>()[offsets[k]]);
    });
  }
  LS_HD void put(int k, std::int64_t i, Real value) const {
    T& place = output[unit ? i : i * strides[4 + k]];
    place = converted<T>(write == Write::add ? converted<Real>(place) + value : value);
  }
  void put(int k, Real value) const {
    if (call.out[k].data == nullptr) return;
    with_type(call.out[k].dtype, [&]<class U>(U) {
      U& place = call.out[k].template as<U>()[offsets[4 + k]];
      place = converted<U>(write == Write::add && k == 0 ? converted<Real>(place) + value : value);
    });
  }
};

template <class Op, class T, bool unit, Write write>
void all_rows(const RowsCall& call, const std::int64_t* along) {
  const Loop<views> loop = row_loop(call);
  const std::int64_t count = std::max<std::int64_t>(1, call.in[0].sizes[call.axis]);
  const std::int64_t grain = std::max<std::int64_t>(1, grain_elements / count);
  core::parallel_chunks(
      threads(), loop.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
        Row<T, unit, write> row(call, along);
        for_runs(loop, begin, end, [&](const std::int64_t* offsets, std::int64_t n) {
          for (std::int64_t i = 0; i < n; ++i) {
            row.go_to(offsets, i, loop);
            if (call.pass == Pass::value) {
              Op::value(math::SerialTeam{}, row);
            } else {
              Op::slope(math::SerialTeam{}, row);
            }
          }
        });
      });
}

template <class Op, class T> void typed_rows(const RowsCall& call) {
  std::int64_t along[views] = {};
  bool is_unit = true;
  for (int k = 0; k < views; ++k) {
    const View& view = view_of(call, k);
    if (view.data == nullptr || view.rank() != call.in[0].rank()) continue;
    along[k] = view.strides[call.axis];
    is_unit = is_unit && (along[k] == 1 || view.sizes[call.axis] == 1);
  }
  const bool is_added = call.write == Write::add;
  if (is_unit) {
    is_added ? all_rows<Op, T, true, Write::add>(call, along)
             : all_rows<Op, T, true, Write::store>(call, along);
  } else {
    is_added ? all_rows<Op, T, false, Write::add>(call, along)
             : all_rows<Op, T, false, Write::store>(call, along);
  }
}

}  // namespace

void rows(const RowsCall& call) {
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
