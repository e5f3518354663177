// lockstep-quickstart: trains a small convolutional network on Fashion-MNIST and shows what came of
// it.
#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "lockstep/comm/world.h"
#include "lockstep/core/random.h"
#include "lockstep/data/loader.h"
#include "lockstep/io/safetensors.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/obs/progress.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/parallel/configuration.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/train/trainer.h"
#include "src/programs/command_line.h"

namespace lockstep::programs {
namespace {

struct Settings {
  std::string out = "runs/quickstart";
  std::string data;
  std::int64_t epochs = 8;
  std::int64_t batch = 128;
  double rate = 2e-3;
  double one_rank_rate = 0;
  bool measures_rate = false;
  std::string resume;
  bool is_exact = false;
};

nn::Sequential network() {
  core::manual_seed(1);
  return nn::Sequential(nn::Conv2d(1, 32, {.kernel = 3, .padding = 1}), nn::Relu(), nn::MaxPool2d(),
                        nn::Conv2d(32, 64, {.kernel = 3, .padding = 1}), nn::Relu(),
                        nn::MaxPool2d(), nn::Flatten(), nn::Linear(7 * 7 * 64, 128), nn::Relu(),
                        nn::Dropout(0.25), nn::Linear(128, 10));
}

data::Loader loader_of(data::Split split, const Settings& settings, World& world) {
  const bool is_training = split == data::Split::train;
  data::LoaderOptions options{
      .batch = is_training ? settings.batch : 1000, .seed = 1, .shuffle = is_training};
  if (is_training) options.transforms.push_back(data::random_flip());
  options.transforms.push_back(
      data::normalize({data::fashion_mnist_mean}, {data::fashion_mnist_deviation}));
  return {data::fashion_mnist(split, settings.data), options, world.shards()};
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Images a second of plain training steps, for the comparison with more ranks.
void measure_rate(const Settings& settings, World& world) {
  constexpr std::int64_t warmup_steps = 30;
  constexpr double least_seconds = 8;
  nn::Sequential model = network();
  optim::AdamW adam(model.parameters(), {.lr = settings.rate});
  DataParallel ranks(model, adam, world);
  data::Loader train = loader_of(data::Split::train, settings, world);
  double begin = 0;
  std::int64_t images = 0;
  for (const data::GlobalBatch& batch : train.epoch(0)) {
    if (ranks.steps() == warmup_steps) begin = now();
    ranks.step(batch,
               [&](const data::Batch& part) { return cross_entropy(model(part.x), part.y); });
    if (begin == 0) continue;
    images += batch.count;
    if (now() - begin > least_seconds) break;
  }
  if (world.is_root()) fmt::print("{:.1f}\n", static_cast<double>(images) / (now() - begin));
}

void show(const Settings& settings, const World& world, const train::TrainerReport& report,
          double seconds) {
  const double rate = report.samples_per_second();
  fmt::print("\nTrained {} epochs in {} ({} with evaluation): {} images/s on {} rank{}\n",
             settings.epochs, obs::duration_text(report.seconds), obs::duration_text(seconds),
             obs::rate_text(rate), world.size(), world.size() == 1 ? "" : "s");
  if (settings.one_rank_rate > 0) {
    fmt::print("speed-up      {:.2f} times one rank ({} images/s)\n", rate / settings.one_rank_rate,
               obs::rate_text(settings.one_rank_rate));
  }
  fmt::print("model         {}/model.safetensors\n", settings.out);
  fmt::print("curves        {}/curves.svg\n", settings.out);
  fmt::print("metrics       {}/metrics.csv\n", settings.out);
  fmt::print("test accuracy {:.3f}\n", report.score.accuracy);
}

int train_network(const Settings& settings, World& world) {
  const double begin = now();
  if (!settings.resume.empty())
    parallel::use_pinned(world, std::filesystem::path(settings.out) / "last");
  nn::Sequential model = network();
  optim::AdamW adam(model.parameters(), {.lr = settings.rate});
  data::Loader train = loader_of(data::Split::train, settings, world);
  data::Loader test = loader_of(data::Split::test, settings, world);
  const std::int64_t steps = settings.epochs * train.batches();
  train::Trainer trainer(
      model, adam, world,
      {.epochs = settings.epochs,
       .folder = settings.out,
       .title =
           fmt::format("Fashion-MNIST on {} rank{}", world.size(), world.size() == 1 ? "" : "s"),
       .resume = !settings.resume.empty(),
       .is_exact = settings.is_exact,
       .stops_at_signal = true,
       .schedule = optim::cosine_schedule({.peak = settings.rate,
                                           .steps = steps,
                                           .warmup = std::min<std::int64_t>(100, steps / 4)})});
  const train::TrainerReport report = trainer.fit(train, test);
  if (report.is_stopped || !world.is_root()) return report.exit_code();
  io::save_safetensors(std::filesystem::path(settings.out) / "model.safetensors", model.state());
  show(settings, world, report, now() - begin);
  return 0;
}

}  // namespace
}  // namespace lockstep::programs

int main(int argc, char** argv) {
  using namespace lockstep;
  programs::Settings settings;
  programs::CommandLine line(
      "lockstep-quickstart",
      "Trains a convolutional network on Fashion-MNIST, on one or more ranks.");
  line.add({.name = "--out",
            .meaning = "folder for model, curves, metrics, checkpoints",
            .value = "DIR"},
           settings.out);
  line.add({.name = "--data",
            .meaning = "folder of the four Fashion-MNIST files",
            .value = "DIR",
            .fallback = "LOCKSTEP_DATA, else the packaged ones"},
           settings.data);
  line.add(
      {.name = "--epochs", .meaning = "times through the training images", .low = 1, .high = 1000},
      settings.epochs);
  line.add({.name = "--batch", .meaning = "images of a step, all ranks together", .low = 1},
           settings.batch);
  line.add({.name = "--lr", .meaning = "highest learning rate", .low = 0}, settings.rate);
  line.add({.name = "--one-rank-rate",
            .meaning = "images/s of one rank, to show the speed-up",
            .fallback = "none is shown",
            .low = 0},
           settings.one_rank_rate);
  line.add({.name = "--measure-rate", .meaning = "only print the images/s of training"},
           settings.measures_rate);
  line.add({.name = "--resume",
            .meaning = "go on from the checkpoint of this folder, which takes the place of --out",
            .value = "DIR",
            .fallback = "a new run"},
           settings.resume);
  line.add({.name = "--exact", .meaning = "refuse to go on where the bits would differ"},
           settings.is_exact);
  if (const auto code = line.parse(argc, argv)) return *code;
  if (!settings.resume.empty()) settings.out = settings.resume;
  return lockstep::run(argc, argv, [&](World& world) {
    if (!settings.measures_rate) return programs::train_network(settings, world);
    programs::measure_rate(settings, world);
    return 0;
  });
}
