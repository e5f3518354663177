// Tensors, operations and gradients.
#include <iostream>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/linalg.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/print.h"

using namespace lockstep;

int main() {
  // A tensor has a shape, a dtype and a device. f32 on the CPU unless asked otherwise.
  const Tensor x = tensor({1, 2, 3, 4, 5, 6}, {2, 3});
  std::cout << "x = " << x << "\nits shape is " << to_string(x.shape()) << "\n";

  // Operations are functions; shapes broadcast as in NumPy, and no dtype changes silently.
  const Tensor scaled = 2.0 * x + tensor({10, 20, 30});
  std::cout << "2 x + [10 20 30] = " << scaled << "\n";
  std::cout << "column means = " << mean(scaled, 0) << "\n";
  std::cout << "x x^T = " << matmul(x, transpose(x)) << "\n";

  // A copy of a Tensor is another handle on the same elements; a view looks at them in another way.
  const Tensor same = x;  // NOLINT: a second handle is the point
  const Tensor second_row = slice(x, 0, 1, 2);
  fill_(second_row, 0);
  std::cout << "after zeroing the second row: " << same << "\n";

  // Gradients: mark the leaves, compute, and go backward from a scalar.
  Tensor w = tensor({1, -2, 3});
  require_grad(w);
  const Tensor loss = sum(tanh(w) * w);
  backward(loss);
  std::cout << "loss = " << loss.item() << ", its gradient = " << gradient(w) << "\n";

  // Steps against the gradient. NoGrad: the update itself is not recorded.
  for (int step = 0; step < 50; ++step) {
    consume_gradient(w);  // the next backward overwrites
    backward(sum(tanh(w) * w));
    const NoGrad guard;
    sub_(w, 0.5 * gradient(w));
  }
  const double end = sum(tanh(w) * w).item();
  std::cout << "after 50 steps: " << end << "\n";
  return end < 1e-3 ? 0 : 1;
}
