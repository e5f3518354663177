// The messages of one call among ranks of several hosts: through shared memory to those of this
// host, over MPI to the others.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "src/comm/hosts.h"
#include "src/comm/messages.h"

namespace lockstep::comm {

class RoutedMessages final : public Messages {
 public:
  // `near` counts the ranks of this host.
  RoutedMessages(std::shared_ptr<const Hosts> hosts, int rank, std::unique_ptr<Messages> near,
                 std::unique_ptr<Messages> far)
      : hosts_(std::move(hosts)), rank_(rank), near_(std::move(near)), far_(std::move(far)) {}

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
            Token token) override {
    if (hosts_->are_together(peer, rank_))
      near_->send(hosts_->place_of(peer), index, data, bytes, token);
    else
      far_->send(peer, index, data, bytes, token);
  }
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) override {
    if (hosts_->are_together(peer, rank_))
      near_->receive(hosts_->place_of(peer), index, data, bytes, token);
    else
      far_->receive(peer, index, data, bytes, token);
  }
  void poll(std::vector<Token>& finished) override {
    near_->poll(finished);
    far_->poll(finished);
  }

 private:
  std::shared_ptr<const Hosts> hosts_;
  int rank_;
  std::unique_ptr<Messages> near_;
  std::unique_ptr<Messages> far_;
};

}  // namespace lockstep::comm
