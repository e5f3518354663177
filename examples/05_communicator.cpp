// Collectives by hand: a plain sum over the ranks, one over shards whose bits do not depend on
// their number, messages around a ring, and sums within groups. mpirun -np 4 05_communicator
#include <lockstep/comm/world.h>

#include <cstdio>
#include <vector>

using namespace lockstep;

namespace {

void sum_over_ranks(World& world) {
  std::vector<float> values(1000, 1.0F);
  const core::Buffer buffer{values.data(), 1000, DType::f32, world.device(), {}};
  core::Stream& stream = core::current_stream(world.device());
  comm::Work work = world.communicator().all_reduce(buffer, buffer, comm::Reduce::sum, stream);
  // ... other work ...
  work.wait();  // every value is now the number of ranks
  if (world.is_root()) std::printf("ranks: %g\n", static_cast<double>(values[0]));
}

float value_of_shard(int shard) { return 1.0F / static_cast<float>(3 + shard); }

// The sum of the shards [node.first, node.last), in the tree's order.
float partial_sum(core::TreeNode node) {
  if (node.leaves() == 1) return value_of_shard(node.first);
  const int middle = core::split_of(node);
  return partial_sum({node.first, middle}) + partial_sum({middle, node.last});
}

void sum_over_shards(World& world) {
  std::vector<float> sums;
  for (const core::TreeNode& node : core::maximal_subtrees(world.shards()))
    sums.push_back(partial_sum(node));
  std::vector<core::ConstBuffer> nodes;
  for (const float& sum : sums) nodes.emplace_back(&sum, 1, DType::f32, world.device());

  float total = 0;
  const core::Buffer out{&total, 1, DType::f32, world.device(), {}};
  core::Stream& stream = core::current_stream(world.device());
  world.communicator()
      .all_reduce(comm::Partials{nodes, world.shards().total}, out, comm::Reduce::sum, stream)
      .wait();
  if (world.is_root())
    std::printf("sum over %d shards: %a\n", world.shards().total, static_cast<double>(total));
}

void pass_around_a_ring(World& world) {
  comm::Communicator& ranks = world.communicator();
  core::Stream& stream = core::current_stream(world.device());
  const int next = (ranks.rank() + 1) % ranks.size();
  const int previous = (ranks.rank() + ranks.size() - 1) % ranks.size();
  int mine = ranks.rank();
  int theirs = -1;
  const core::Buffer sent{&mine, 1, DType::i32, world.device(), {}};
  const core::Buffer received{&theirs, 1, DType::i32, world.device(), {}};
  ranks
      .batch([&](comm::Batch& batch) {  // both at once: neither waits for the other
        batch.send(sent, next, stream);
        batch.receive(received, previous, stream);
      })
      .wait();
  if (world.is_root()) std::printf("rank 0 heard from rank %d\n", theirs);
}

void sum_within_groups(World& world) {
  comm::Communicator& ranks = world.communicator();
  const auto group = ranks.split(ranks.rank() % 2, 0);  // even and odd ranks
  float sum = static_cast<float>(ranks.rank());
  const core::Buffer buffer{&sum, 1, DType::f32, world.device(), {}};
  group->all_reduce(buffer, buffer, comm::Reduce::sum, core::current_stream(world.device())).wait();
  if (world.is_root()) std::printf("%d even ranks: %g\n", group->size(), static_cast<double>(sum));
}

}  // namespace

int main(int argc, char** argv) {
  const WorldOptions options{.shards = 8, .device = {}};
  return lockstep::run(
      argc, argv,
      [](World& world) {
        sum_over_ranks(world);
        sum_over_shards(world);  // prints the same on 1, 2, 3 ... ranks
        pass_around_a_ring(world);
        sum_within_groups(world);
      },
      options);
}
