// GEMM by cuBLASLt. Its algorithms are restricted to those that add in a fixed order; activations
// are a pass of our own, since the library does not say what its epilogues make of NaN.
#include <cublasLt.h>

#include <bit>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "kernels/cuda/families.h"
#include "kernels/cuda/gemm_plan.h"
#include "kernels/host.h"
#include "lockstep/base/handle.h"

namespace lockstep::kernels::cuda {
namespace {

constexpr std::size_t most_workspace = std::size_t{32} << 20;

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail((std::string("gemm: ") + call + " failed: " + cublasLtGetStatusName(status) + " (" +
        cublasLtGetStatusString(status) + ")")
           .c_str(),
       "see this status in the reference of cuBLASLt; CUBLASLT_LOG_LEVEL=2 shows what it refused");
}

struct LibraryTraits {
  using type = cublasLtHandle_t;
  static type empty() { return nullptr; }
  static void release(type value) noexcept { cublasLtDestroy(value); }
};
struct OperationTraits {
  using type = cublasLtMatmulDesc_t;
  static type empty() { return nullptr; }
  static void release(type value) noexcept { cublasLtMatmulDescDestroy(value); }
};
struct LayoutTraits {
  using type = cublasLtMatrixLayout_t;
  static type empty() { return nullptr; }
  static void release(type value) noexcept { cublasLtMatrixLayoutDestroy(value); }
};
struct PreferenceTraits {
  using type = cublasLtMatmulPreference_t;
  static type empty() { return nullptr; }
  static void release(type value) noexcept { cublasLtMatmulPreferenceDestroy(value); }
};
using Operation = Handle<OperationTraits>;
using Layout = Handle<LayoutTraits>;

// One library handle a device; it may be used by several threads.
cublasLtHandle_t library_of(const DeviceContext& device) {
  static std::mutex mutex;
  // Never destroyed: the driver may be gone before static objects are.
  static auto& handles = *new std::map<int, Handle<LibraryTraits>>;
  const std::lock_guard lock(mutex);
  auto& handle = handles[device.index];
  if (!handle) {
    cublasLtHandle_t made = nullptr;
    check(cublasLtCreate(&made), "cublasLtCreate");
    handle = Handle<LibraryTraits>(made);
  }
  return handle.value();
}

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return CUDA_R_64F;
    case DType::f16:
      return CUDA_R_16F;
    case DType::bf16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_32F;
  }
}

// Halves are added in f32; f32 is IEEE's, without TF32.
Operation operation_of(const GemmPlan& plan, DType dtype, const void* bias) {
  const bool is_double = dtype == DType::f64;
  cublasLtMatmulDesc_t made = nullptr;
  check(cublasLtMatmulDescCreate(&made, is_double ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                 is_double ? CUDA_R_64F : CUDA_R_32F),
        "cublasLtMatmulDescCreate");
  Operation operation(made);
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    check(cublasLtMatmulDescSetAttribute(made, attribute, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute");
  };
  const auto turn = [](const ColumnMatrix& matrix) {
    return matrix.is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, turn(plan.first));
  set(CUBLASLT_MATMUL_DESC_TRANSB, turn(plan.second));
  if (bias != nullptr) {  // one number for each row of the library's result, a column of ours
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  return operation;
}

Layout layout_of(const ColumnMatrix& matrix, std::int64_t batches, DType dtype) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, type_of(dtype), static_cast<std::uint64_t>(matrix.rows),
                                   static_cast<std::uint64_t>(matrix.columns), matrix.leading),
        "cublasLtMatrixLayoutCreate");
  Layout layout(made);
  const auto count = static_cast<std::int32_t>(batches);
  if (batches == 1) return layout;
  check(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                         sizeof count),
        "cublasLtMatrixLayoutSetAttribute");
  check(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                         &matrix.batch_stride, sizeof matrix.batch_stride),
        "cublasLtMatrixLayoutSetAttribute");
  return layout;
}

// The largest power of two up to 256 that divides an address.
std::uint32_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data) | 256;
  return std::uint32_t{1} << std::countr_zero(address);
}

// Everything that the library's choice of an algorithm depends on.
struct Problem {
  GemmPlan plan;
  DType dtype, out_dtype;
  bool has_bias, is_added;
  int device;
  std::uint32_t alignment[3];

  auto key() const {
    const auto of = [](const ColumnMatrix& m) {
      return std::make_tuple(m.rows, m.columns, m.leading, m.batch_stride, m.is_transposed);
    };
    return std::make_tuple(plan.k, plan.batches, of(plan.first), of(plan.second), of(plan.out),
                           dtype, out_dtype, has_bias, is_added, device,
                           std::make_tuple(alignment[0], alignment[1], alignment[2]));
  }
};

struct Algorithm {
  cublasLtMatmulAlgo_t algorithm;
  std::size_t workspace = 0;
};

// What a call hands to the library.
struct Job {
  Operation operation;
  Layout first, second, out;
};

Algorithm asked(cublasLtHandle_t library, const Job& job, const Problem& problem) {
  cublasLtMatmulPreference_t made = nullptr;
  check(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
  const Handle<PreferenceTraits> preference(made);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    check(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{most_workspace});
  // Sums cut along k are stored in the compute type and added in a step of their own.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, problem.alignment[0]);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, problem.alignment[1]);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, problem.alignment[2]);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, problem.alignment[2]);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  check(cublasLtMatmulAlgoGetHeuristic(library, job.operation.value(), job.first.value(),
                                       job.second.value(), job.out.value(), job.out.value(), made,
                                       1, &best, &found),
        "cublasLtMatmulAlgoGetHeuristic");
  check(found > 0 ? best.state : CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
  return {best.algo, best.workspaceSize};
}

// The library's choice, asked once a problem.
Algorithm algorithm_of(cublasLtHandle_t library, const Job& job, const Problem& problem) {
  static std::mutex mutex;
  static std::map<decltype(problem.key()), Algorithm> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(problem.key());
  if (found != known.end()) return found->second;
  return known.emplace(problem.key(), asked(library, job, problem)).first->second;
}

void multiply(const Launch& on, const GemmPlan& plan, const GemmCall& call) {
  const DType dtype = call.a.dtype;
  const Job job{operation_of(plan, dtype, call.bias.data),
                layout_of(plan.first, plan.batches, dtype),
                layout_of(plan.second, plan.batches, dtype),
                layout_of(plan.out, plan.batches, call.out.dtype)};
  const bool is_added = call.write == Write::add;
  const Problem problem{
      plan,
      dtype,
      call.out.dtype,
      call.bias.data != nullptr,
      is_added,
      on.device.index,
      {alignment_of(call.b.data), alignment_of(call.a.data), alignment_of(call.out.data)}};
  cublasLtHandle_t library = library_of(on.device);
  const Algorithm chosen = algorithm_of(library, job, problem);
  const core::Memory workspace = on.memory.allocate(chosen.workspace);
  const double one_f64 = 1, beta_f64 = is_added ? 1 : 0;
  const float one = 1, beta = is_added ? 1 : 0;
  const bool is_double = dtype == DType::f64;
  const void* const alpha_at = is_double ? static_cast<const void*>(&one_f64) : &one;
  const void* const beta_at = is_double ? static_cast<const void*>(&beta_f64) : &beta;
  on.device.launches.note("gemm", "");
  check(cublasLtMatmul(library, job.operation.value(), alpha_at, call.b.data, job.first.value(),
                       call.a.data, job.second.value(), beta_at, call.out.data, job.out.value(),
                       call.out.data, job.out.value(), &chosen.algorithm, workspace->data(),
                       chosen.workspace, on.stream),
        "cublasLtMatmul");
}

class CublasLt final : public GemmParts {
 public:
  explicit CublasLt(const Launch& on) : on_(on) {}

  core::Memory allocate(std::size_t bytes) override { return on_.memory.allocate(bytes); }
  void copy(const CopyCall& call) override { cuda::copy(on_, call); }
  void pointwise(const PointwiseCall& call) override { cuda::pointwise(on_, call); }
  void multiply(const GemmPlan& plan, const GemmCall& call) override {
    cuda::multiply(on_, plan, call);
  }

 private:
  const Launch& on_;
};

}  // namespace

void gemm(const Launch& on, const GemmCall& call) {
  CublasLt parts(on);
  gemm_with(parts, call);
}

}  // namespace lockstep::kernels::cuda
