// Whether this thread's operations are recorded for backward.
#pragma once

namespace lockstep {

bool is_grad_enabled();

// While it lives, nothing that this thread computes is recorded, and in-place operations are
// allowed.
class NoGrad {
 public:
  NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  ~NoGrad();

 private:
  bool outer_;
};

}  // namespace lockstep
