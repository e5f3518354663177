#include <cstring>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/host.h"
#include "kernels/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t grain_elements = 32 * 1024;

// The walk over one entry: the axes of `rows` and `table` behind the first.
Loop<2> entry_loop(const GatherCall& call) {
  Loop<2> loop;
  for (int axis = 1; axis < call.rows.rank(); ++axis) {
    loop.append(call.rows.sizes[axis], {call.rows.strides[axis], call.table.strides[axis]});
  }
  loop.merge();
  return loop;
}

std::int64_t index_at(const View& index, std::int64_t i) {
  return index.as<std::int64_t>()[i * index.strides[0]];
}

// What moves one entry: bytes of the element's size are enough.
template <class F> void with_size(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 8:
      return f(std::int64_t{});
    case 4:
      return f(std::int32_t{});
    case 2:
      return f(float16{});
    default:
      return f(std::int8_t{});
  }
}

}  // namespace

void gather(const GatherCall& call) {
  const Loop<2> entry = entry_loop(call);
  const std::int64_t each = entry.elements();
  if (each == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, grain_elements / each);
  with_size(call.table.dtype, [&]<class T>(T) {
    core::parallel_chunks(
        threads(), call.rows.sizes[0], grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            T* to = call.rows.as<T>() + i * call.rows.strides[0];
            const T* from = call.table.as<T>() + index_at(call.index, i) * call.table.strides[0];
            if (entry.is_dense(0) && entry.is_dense(1)) {
              std::memcpy(to, from, static_cast<std::size_t>(each) * sizeof(T));
              continue;
            }
            for_runs(entry, 0, each, [&](const std::int64_t* at, std::int64_t n) {
              for (std::int64_t k = 0; k < n; ++k) {
                to[at[0] + k * entry.inner_stride(0)] = from[at[1] + k * entry.inner_stride(1)];
              }
            });
          }
        });
  });
}

// One thread: the additions to an entry keep the order of the index.
void scatter_add(const GatherCall& call) {
  const Loop<2> entry = entry_loop(call);
  with_type(call.table.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < call.rows.sizes[0]; ++i) {
      const T* from = call.rows.as<T>() + i * call.rows.strides[0];
      T* to = call.table.as<T>() + index_at(call.index, i) * call.table.strides[0];
      for_runs(entry, 0, entry.elements(), [&](const std::int64_t* at, std::int64_t n) {
        using A = Real<T>;
        const T* source = from + at[0];
        T* target = to + at[1];
        const std::int64_t s = entry.inner_stride(0), t = entry.inner_stride(1);
        if (s == 1 && t == 1) {
          LS_SIMD
          for (std::int64_t k = 0; k < n; ++k) {
            target[k] =
                converted<T>(static_cast<A>(converted<A>(target[k]) + converted<A>(source[k])));
          }
        } else {
          for (std::int64_t k = 0; k < n; ++k) {
            target[k * t] = converted<T>(
                static_cast<A>(converted<A>(target[k * t]) + converted<A>(source[k * s])));
          }
        }
      });
    }
  });
}

void pick(const PickCall& call) {
  Loop<3> loop;
  for (int axis = 0; axis < call.out.rank(); ++axis) {
    if (axis == call.axis) continue;
    loop.append(call.out.sizes[axis],
                {call.out.strides[axis], call.g.strides[axis], call.index.strides[axis]});
  }
  loop.merge();
  const std::int64_t size = call.out.sizes[call.axis];
  const std::int64_t stride = call.out.strides[call.axis];
  if (size == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, grain_elements / size);
  with_type(call.out.dtype, [&]<class T>(T) {
    core::parallel_chunks(
        threads(), loop.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
          for_runs(loop, begin, end, [&](const std::int64_t* at, std::int64_t n) {
            for (std::int64_t k = 0; k < n; ++k) {
              T* out = call.out.as<T>() + at[0] + k * loop.inner_stride(0);
              const T g = call.g.as<T>()[at[1] + k * loop.inner_stride(1)];
              const std::int64_t index =
                  call.index.as<std::int64_t>()[at[2] + k * loop.inner_stride(2)];
              if (call.write == Write::store) {
                for (std::int64_t j = 0; j < size; ++j) out[j * stride] = T{};
              }
              using A = Real<T>;
              T& place = out[index * stride];
              place = converted<T>(static_cast<A>(converted<A>(place) + converted<A>(g)));
            }
          });
        });
  });
}

}  // namespace lockstep::kernels::cpu
