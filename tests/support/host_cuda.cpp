#include "tests/support/host_cuda.h"

#include <stdexcept>
#include <type_traits>

#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/random.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/update.h"

namespace lockstep::testing {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the calls and families of a test

[[noreturn]] void absent() { throw std::logic_error("a family that only a GPU has"); }

class HostCudaBackend final : public Backend {
 public:
  using Stream = core::Stream;

  void pointwise(const PointwiseCall& call, Stream&) override {
    if (call.out.elements() == 0) return;
    with_type(call.out.dtype, [&]<class T>(T) {
      if constexpr (!std::is_same_v<T, bool>) cuda::pointwise_on<T>(HostCuda{}, call);
    });
  }
  void rows(const RowsCall& call, Stream&) override { cuda::rows_on(HostCuda{}, call); }
  void reduce(const ReduceCall& call, Stream&) override { cuda::reduce_on(HostCuda{}, call); }
  void random(const RandomCall& call, Stream&) override { cuda::random_on(HostCuda{}, call); }
  void update(const UpdateCall& call, Stream&) override { cuda::update_on(HostCuda{}, call); }
  void copy(const CopyCall& call, Stream&) override { cuda::copy_on(HostCuda{}, call); }

  void gemm(const GemmCall&, Stream&) override { absent(); }
  void conv(const ConvCall&, Stream&) override { absent(); }
  void pool(const PoolCall&, Stream&) override { absent(); }
  void batch_norm(const BatchNormCall&, Stream&) override { absent(); }
  void gather(const GatherCall&, Stream&) override { absent(); }
  void scatter_add(const GatherCall&, Stream&) override { absent(); }
  void pick(const PickCall&, Stream&) override { absent(); }
  void fold(const FoldCall&, Stream&) override { absent(); }
};

}  // namespace

kernels::Backend& host_cuda() {
  static HostCudaBackend backend;
  return backend;
}

}  // namespace lockstep::testing
