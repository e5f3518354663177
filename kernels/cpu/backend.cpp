#include "lockstep/kernels/backend.h"

#include <string>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/pool.h"
#include "kernels/host.h"
#include "lockstep/core/abi.h"

namespace lockstep::kernels::cpu {
namespace {

class CpuBackend final : public Backend {
 public:
  using Stream = core::Stream;

  bool multiplies(DType dtype) const override {
    return dtype == DType::f32 || dtype == DType::f64 ||
           (dtype == DType::bf16 && onednn::multiplies_bf16());
  }

  void pointwise(const PointwiseCall& call, Stream&) override { cpu::pointwise(call); }
  void rows(const RowsCall& call, Stream&) override { cpu::rows(call); }
  void reduce(const ReduceCall& call, Stream&) override { cpu::reduce(call); }
  void gemm(const GemmCall& call, Stream&) override { cpu::gemm(call); }
  void conv(const ConvCall& call, Stream&) override { cpu::conv(call); }
  void pool(const PoolCall& call, Stream&) override { cpu::pool(call); }
  void batch_norm(const BatchNormCall& call, Stream&) override { cpu::batch_norm(call); }
  void copy(const CopyCall& call, Stream&) override { cpu::copy(call); }
  void gather(const GatherCall& call, Stream&) override { cpu::gather(call); }
  void scatter_add(const GatherCall& call, Stream&) override { cpu::scatter_add(call); }
  void pick(const PickCall& call, Stream&) override { cpu::pick(call); }
  void random(const RandomCall& call, Stream&) override { cpu::random(call); }
  void update(const UpdateCall& call, Stream&) override { cpu::update(call); }
  void fold(const FoldCall& call, Stream&) override { cpu::fold(call); }
};

const char* description() {
  static const std::string text =
      onednn::description() == nullptr
          ? LOCKSTEP_CPU_VARIANT
          : std::string(LOCKSTEP_CPU_VARIANT) + ", " + onednn::description();
  return text.c_str();
}

// A plug-in may meet an older processor than the one that it was built for.
const char* missing_feature() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#ifdef __AVX512F__
  if (!__builtin_cpu_supports("avx512f")) return "needs AVX-512, which this processor lacks";
#endif
#ifdef __AVX2__
  if (!__builtin_cpu_supports("avx2")) return "needs AVX2, which this processor lacks";
#endif
#endif
  return nullptr;
}

}  // namespace

}  // namespace lockstep::kernels::cpu

extern "C" __attribute__((visibility("default"))) lockstep::core::PluginAnswer lockstep_plugin(
    const lockstep::core::Host* host) {
  using namespace lockstep;
  using namespace lockstep::kernels;
  const char* reason = cpu::missing_feature();
  if (reason != nullptr) return {core::abi_number, nullptr, reason};
  static cpu::CpuBackend backend;
  kernels::host = host;
  return {core::abi_number, static_cast<Backend*>(&backend), cpu::description()};
}
