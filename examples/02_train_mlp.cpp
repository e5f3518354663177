// A small network, an optimizer and a schedule: training in one process on points of two spirals.
#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/optim/clip.h"
#include "lockstep/optim/schedule.h"
#include "lockstep/tensor/create.h"

using namespace lockstep;

// A module of one's own names what it holds in visit().
class Residual : public nn::Module {
 public:
  explicit Residual(std::int64_t width) : first_(width, width), second_(width, width) {}
  Tensor forward(const Tensor& x) override { return x + second_(relu(first_(x))); }
  void visit(nn::Visitor& visitor) override {
    visitor.child("first", first_);
    visitor.child("second", second_);
  }

 private:
  nn::Linear first_;
  nn::Linear second_;
};

struct Points {
  Tensor x;  // [n, 2]
  Tensor y;  // the spiral of each point: i64 [n]
};

Points two_spirals(int count) {
  std::vector<double> x, y;
  for (int i = 0; i < count; ++i) {
    const int spiral = i % 2;
    const double radius = 0.1 + 0.9 * i / count;
    const double angle = 1.5 * std::numbers::pi * (radius * 2 + spiral / 1.5);
    x.insert(x.end(), {radius * std::cos(angle), radius * std::sin(angle)});
    y.push_back(spiral);
  }
  return {tensor(x, {count, 2}), tensor(y, {count}, {.dtype = DType::i64})};
}

double accuracy(nn::Module& model, const Points& points) {
  const NoGrad guard;
  model.eval();
  const std::vector<int> guesses = argmax(model(points.x), 1).to_vector<int>();
  const std::vector<int> answers = points.y.to_vector<int>();
  model.train();
  int right = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) right += guesses[i] == answers[i];
  return static_cast<double>(right) / static_cast<double>(answers.size());
}

int main() {
  core::manual_seed(1);
  const Points points = two_spirals(400);

  nn::Sequential model(nn::Linear(2, 64), nn::Relu(), Residual(64), nn::Linear(64, 2));
  optim::ParameterGroups groups;
  groups.push_back({model.parameters(), {.decays_vectors = false}});
  optim::AdamW adam(groups, {.weight_decay = 1e-4});
  const int steps = 400;
  const auto rate = optim::cosine_schedule({.peak = 1e-2, .steps = steps, .warmup = 20});

  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(model(points.x), points.y);
    backward(loss);
    const double norm = optim::clip_gradient_norm(adam, 1.0);
    adam.use_learning_rate(rate(step));
    adam.step();
    if (step % 100 == 0)
      std::printf("step %3d  loss %.4f  gradient norm %.3f\n", step, loss.item(), norm);
  }
  const double end = accuracy(model, points);
  std::printf("accuracy %.3f\n", end);
  return end > 0.95 ? 0 : 1;
}
