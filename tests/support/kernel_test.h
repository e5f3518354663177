// Tests of a family of kernels, on every backend that this machine can run: each test once on the
// CPU's plug-in, and once on the CUDA kernels' code on threads of the host.
#pragma once

#include <gtest/gtest.h>

#include "lockstep/kernels/registry.h"
#include "tests/support/host_cuda.h"

namespace lockstep::testing {

enum class Kernels { cpu, cuda_on_host };

class KernelTest : public ::testing::TestWithParam<Kernels> {
 public:
  // The backend of the test that runs.
  static kernels::Backend& backend() { return *current_; }

 protected:
  KernelTest() {
    static const std::unique_ptr<kernels::Backend> on_host = make_host_cuda();
    current_ = GetParam() == Kernels::cpu ? &kernels::backend({}) : on_host.get();
  }

 private:
  static inline kernels::Backend* current_ = nullptr;
};

inline const auto all_kernels = ::testing::Values(Kernels::cpu, Kernels::cuda_on_host);
inline std::string name_of(const ::testing::TestParamInfo<Kernels>& info) {
  return info.param == Kernels::cpu ? "cpu" : "cuda_on_host";
}

}  // namespace lockstep::testing
