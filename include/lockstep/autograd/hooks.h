// Calls made during backward, as soon as a parameter's gradient is final.
#pragma once

#include <functional>
#include <memory>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// Removes the hook when destroyed.
class [[nodiscard]] HookHandle {
 public:
  HookHandle() = default;
  explicit HookHandle(std::shared_ptr<void> registration)
      : registration_(std::move(registration)) {}

 private:
  std::shared_ptr<void> registration_;
};

// `hook` runs on the thread of backward once all contributions of that backward to `leaf`'s
// gradient have been written. It does not run for a leaf that the graph does not reach.
HookHandle on_gradient_final(const Tensor& leaf, std::function<void()> hook);

}  // namespace lockstep
