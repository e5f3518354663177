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
  void rows(const RowsCall& call, Stream& s) override { cuda::rows(on(s), call); }
  void reduce(const ReduceCall& call, Stream& s) override { cuda::reduce(on(s), call); }
  void gemm(const GemmCall& call, Stream& s) override { cuda::gemm(on(s), call); }
  void random(const RandomCall& call, Stream& s) override { cuda::random(on(s), call); }
  void update(const UpdateCall& call, Stream& s) override { cuda::update(on(s), call); }
  void copy(const CopyCall& call, Stream& s) override { cuda::copy(on(s), call); }
  void pool(const PoolCall& call, Stream& s) override { cuda::pool(on(s), call); }
  void gather(const GatherCall& call, Stream& s) override { cuda::gather(on(s), call); }
  void scatter_add(const GatherCall& call, Stream& s) override { cuda::scatter_add(on(s), call); }
  void pick(const PickCall& call, Stream& s) override { cuda::pick(on(s), call); }
  void fold(const FoldCall& call, Stream& s) override { cuda::fold(on(s), call); }

  void conv(const ConvCall&, Stream&) override { absent("conv"); }
  void batch_norm(const BatchNormCall&, Stream&) override { absent("batch_norm"); }

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
