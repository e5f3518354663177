// Data: a dataset, transforms, shuffled batches cut into shards, and a cursor to go on from.
#include <cstdio>

#include "lockstep/data/loader.h"
#include "lockstep/tensor/create.h"

using namespace lockstep;

// A dataset of one's own writes a sample where it is told to.
class Squares : public data::Dataset {
 public:
  std::int64_t count() const override { return 10; }
  Meta x() const override { return {{2}, DType::f32, {}}; }
  Meta y() const override { return {{}, DType::f32, {}}; }
  void read(std::int64_t index, std::byte* x, std::byte* y) const override {
    const auto value = static_cast<float>(index);
    reinterpret_cast<float*>(x)[0] = value;
    reinterpret_cast<float*>(x)[1] = -value;
    *reinterpret_cast<float*>(y) = value * value;
  }
};

void read_images() {
  const auto images = data::in_memory(full({100, 28, 28, 1}, 51, {.dtype = DType::u8}),
                                      arange(0, 100, 1, {.dtype = DType::i64}));
  const core::ShardRange shards{2, 4, 4};  // in a program with ranks: world.shards()
  data::Loader train(images,
                     {.batch = 32,
                      .seed = 1,
                      .transforms = {data::random_crop({.height = 28, .width = 28, .padding = 2}),
                                     data::random_flip(), data::normalize({0.5F}, {0.25F})}},
                     shards);
  for (auto& batch : train.epoch(0)) {
    std::printf("%lld samples on all ranks, here:", static_cast<long long>(batch.count));
    for (const data::Batch& part : batch.parts) {
      std::printf("  %s", to_string(part.x.shape()).c_str());
    }
    std::printf("\n");
  }
}

int main() {
  read_images();

  data::Loader loader(std::make_shared<Squares>(), {.batch = 4, .seed = 7});
  data::Cursor saved;
  for ([[maybe_unused]] auto& batch : loader.epoch(3)) {
    saved = loader.cursor();  // behind the batch in hand
    break;
  }
  data::Loader later(std::make_shared<Squares>(), {.batch = 4, .seed = 7});
  later.restore(saved);
  for (auto& batch : later.epoch(later.cursor().epoch)) {
    std::printf("%lld more\n", static_cast<long long>(batch.count));
  }
}
