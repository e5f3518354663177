#include "lockstep/kernels/backend.h"

#include <string>

#include "kernels/cuda/families.h"
#include "kernels/cuda/stream.h"
#include "kernels/host.h"

namespace lockstep::kernels::cuda {
namespace {

[[noreturn]] void absent(const char* family) {
  fail((std::string("the CUDA backend has no kernels of the family ") + family + " yet").c_str(),
       "run this part of the model on the device cpu");
}

class CudaBackend final : public Backend {
 public:
  using Stream = core::Stream;

  CudaBackend(DeviceContext& device, core::Allocator& memory) : device_(device), memory_(memory) {}

  bool multiplies(DType dtype) const override { return is_floating(dtype); }

  void pointwise(const PointwiseCall& call, Stream& s) override { cuda::pointwise(on(s), call); }
  void copy(const CopyCall& call, Stream& s) override { cuda::copy(on(s), call); }

  void rows(const RowsCall&, Stream&) override { absent("rows"); }
  void reduce(const ReduceCall&, Stream&) override { absent("reduce"); }
  void gemm(const GemmCall&, Stream&) override { absent("gemm"); }
  void conv(const ConvCall&, Stream&) override { absent("conv"); }
  void pool(const PoolCall&, Stream&) override { absent("pool"); }
  void batch_norm(const BatchNormCall&, Stream&) override { absent("batch_norm"); }
  void gather(const GatherCall&, Stream&) override { absent("gather"); }
  void scatter_add(const GatherCall&, Stream&) override { absent("scatter_add"); }
  void pick(const PickCall&, Stream&) override { absent("pick"); }
  void random(const RandomCall&, Stream&) override { absent("random"); }
  void update(const UpdateCall&, Stream&) override { absent("update"); }
  void fold(const FoldCall&, Stream&) override { absent("fold"); }

 private:
  Launch on(const Stream& stream) const {
    device_.activate();
    return {device_, memory_, handle_of(stream)};
  }

  DeviceContext& device_;
  core::Allocator& memory_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(DeviceContext& device, core::Allocator& memory) {
  return std::make_unique<CudaBackend>(device, memory);
}

}  // namespace lockstep::kernels::cuda
