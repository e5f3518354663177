#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/host.h"
#include "kernels/cpu/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t grain = 32 * 1024;

// The type in which scale * in + out is computed.
template <class In, class Out>
using Middle = std::conditional_t<
    std::is_integral_v<In> && std::is_integral_v<Out>, std::int64_t,
    std::conditional_t<sizeof(In) == 8 || sizeof(Out) == 8 || std::is_same_v<In, std::int32_t> ||
                           std::is_same_v<Out, std::int32_t>,
                       double, float>>;

template <class In, class Out>
void run_of(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride, std::int64_t n,
            const CopyCall& call) {
  if (call.scale == 1 && call.write == Write::store) {
    for (std::int64_t i = 0; i < n; ++i) out[i * out_stride] = converted<Out>(in[i * in_stride]);
    return;
  }
  using M =
      std::conditional_t<std::is_same_v<Middle<In, Out>, std::int64_t>, double, Middle<In, Out>>;
  const M scale = static_cast<M>(call.scale);
  for (std::int64_t i = 0; i < n; ++i) {
    M value = converted<M>(in[i * in_stride]) * scale;
    if (call.write == Write::add) value += converted<M>(out[i * out_stride]);
    out[i * out_stride] = converted<Out>(value);
  }
}

}  // namespace

void copy(const CopyCall& call) {
  if (call.out.elements() == 0) return;
  const auto loop = sorted_loop<2>({&call.out, &call.in});
  with_type(call.in.dtype, [&]<class In>(In) {
    with_type(call.out.dtype, [&]<class Out>(Out) {
      core::parallel_chunks(
          threads(), loop.elements(), grain, [&](std::int64_t begin, std::int64_t end) {
            for_runs(loop, begin, end, [&](const std::int64_t* offsets, std::int64_t n) {
              run_of(call.in.as<In>() + offsets[1], loop.inner_stride(1),
                     call.out.as<Out>() + offsets[0], loop.inner_stride(0), n, call);
            });
          });
    });
  });
}

}  // namespace lockstep::kernels::cpu
