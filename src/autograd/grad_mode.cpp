#include "lockstep/autograd/grad_mode.h"

namespace lockstep {
namespace {

thread_local bool is_enabled = true;

}  // namespace

bool is_grad_enabled() { return is_enabled; }

NoGrad::NoGrad() : outer_(is_enabled) { is_enabled = false; }

NoGrad::~NoGrad() { is_enabled = outer_; }

}  // namespace lockstep
