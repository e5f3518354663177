#include "tests/support/host_cuda.h"

#include <stdexcept>
#include <type_traits>

#include "kernels/cuda/fold.h"
#include "kernels/cuda/gemm_plan.h"
#include "kernels/cuda/index.h"
#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/pool.h"
#include "kernels/cuda/random.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/update.h"

namespace lockstep::testing {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the calls and families of a test

[[noreturn]] void absent() { throw std::logic_error("a family that only a GPU has"); }

// Column-major matrices, as cuBLASLt reads them.
template <class T> class ColumnMajor {
 public:
  ColumnMajor(const cuda::ColumnMatrix& matrix, const void* data, std::int64_t batch)
      : matrix_(matrix), data_(static_cast<const T*>(data) + batch * matrix.batch_stride) {}

  std::int64_t place(std::int64_t row, std::int64_t column) const {
    return matrix_.is_transposed ? column + row * matrix_.leading : row + column * matrix_.leading;
  }
  template <class A> A at(std::int64_t row, std::int64_t column) const {
    return math::converted<A>(data_[place(row, column)]);
  }

 private:
  const cuda::ColumnMatrix& matrix_;
  const T* data_;
};

// Operands of T, results and bias of Out.
template <class T, class Out>
void multiply(const cuda::GemmPlan& plan, const GemmCall& call, std::int64_t batch) {
  using A = math::Real<T>;
  const ColumnMajor<T> first(plan.first, call.b.data, batch),
      second(plan.second, call.a.data, batch);
  const ColumnMajor<Out> out(plan.out, call.out.data, batch);
  for (std::int64_t row = 0; row < plan.m; ++row) {
    for (std::int64_t column = 0; column < plan.n; ++column) {
      A sum = 0;
      for (std::int64_t k = 0; k < plan.k; ++k)
        sum += first.template at<A>(row, k) * second.template at<A>(k, column);
      if (call.bias.data != nullptr) sum += math::converted<A>(call.bias.as<Out>()[row]);
      if (call.write == Write::add) sum += out.template at<A>(row, column);
      call.out.as<Out>()[batch * plan.out.batch_stride + out.place(row, column)] =
          math::converted<Out>(sum);
    }
  }
}

// What cuBLASLt does with a plan, number by number.
struct HostGemm final : cuda::GemmParts {
  core::Memory allocate(std::size_t bytes) override { return HostCuda{}.memory().allocate(bytes); }
  void copy(const CopyCall& call) override { cuda::copy_on(HostCuda{}, call); }
  void pointwise(const PointwiseCall& call) override {
    with_type(call.out.dtype, [&]<class T>(T) {
      if constexpr (!std::is_same_v<T, bool>) cuda::pointwise_on<T>(HostCuda{}, call);
    });
  }
  void multiply(const cuda::GemmPlan& plan, const GemmCall& call) override {
    with_type(call.a.dtype, [&]<class T>(T) {
      for (std::int64_t batch = 0; batch < plan.batches; ++batch) {
        call.out.dtype == call.a.dtype ? testing::multiply<T, T>(plan, call, batch)
                                       : testing::multiply<T, float>(plan, call, batch);
      }
    });
  }
};

class HostCudaBackend final : public Backend {
 public:
  bool multiplies(DType dtype) const override { return is_floating(dtype); }
  using Stream = core::Stream;

  void pointwise(const PointwiseCall& call, Stream&) override {
    if (call.out.elements() > 0) HostGemm().pointwise(call);
  }
  void rows(const RowsCall& call, Stream&) override { cuda::rows_on(HostCuda{}, call); }
  void reduce(const ReduceCall& call, Stream&) override { cuda::reduce_on(HostCuda{}, call); }
  void random(const RandomCall& call, Stream&) override { cuda::random_on(HostCuda{}, call); }
  void update(const UpdateCall& call, Stream&) override { cuda::update_on(HostCuda{}, call); }
  void copy(const CopyCall& call, Stream&) override { cuda::copy_on(HostCuda{}, call); }
  void pool(const PoolCall& call, Stream&) override { cuda::pool_on(HostCuda{}, call); }
  void gather(const GatherCall& call, Stream&) override { cuda::gather_on(HostCuda{}, call); }
  void scatter_add(const GatherCall& call, Stream&) override {
    cuda::scatter_add_on(HostCuda{}, call);
  }
  void pick(const PickCall& call, Stream&) override { cuda::pick_on(HostCuda{}, call); }
  void fold(const FoldCall& call, Stream&) override { cuda::fold_on(HostCuda{}, call); }

  void gemm(const GemmCall& call, Stream&) override {
    HostGemm parts;
    cuda::gemm_with(parts, call);
  }
  void conv(const ConvCall&, Stream&) override { absent(); }
  void batch_norm(const BatchNormCall&, Stream&) override { absent(); }
};

}  // namespace

std::unique_ptr<kernels::Backend> make_host_cuda() { return std::make_unique<HostCudaBackend>(); }

}  // namespace lockstep::testing
